// Follows the code of a function from its entry, so that nothing but instructions is taken for one. Who walks decides at each
// instruction where to go on.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "probes/decode.hpp"
#include "probes/elf_image.hpp"

namespace memtrace {

class CodeWalk {
public:
    struct Step {
        std::uint64_t address = 0;
        Instruction instruction;
    };
    /// `end`: exclusive bound of the function.
    CodeWalk(const ElfImage& image, std::uint64_t entry, std::uint64_t end);

    /// An instruction that was not seen yet; nothing when there is none left, or when there were too many.
    std::optional<Step> next();
    /// To the instruction behind it, unless another function begins there: behind a call that does not return.
    void go_on(const Step& step);
    /// To a place in the function, or in the part of it that the compiler has laid elsewhere ("f.cold"); false: it is neither.
    bool go_to(std::uint64_t target);
    /// To a place in another function, whose code is followed from now on; false: no function is known there, or there were too many.
    bool enter(std::uint64_t target);
    /// Nothing on the way was undecodable, and it was not cut short.
    [[nodiscard]] bool complete() const { return complete_; }

private:
    struct Range {
        std::uint64_t begin = 0, end = 0;
        [[nodiscard]] bool contains(std::uint64_t at) const { return at >= begin && at < end; }
    };
    [[nodiscard]] bool known(std::uint64_t address) const;

    const ElfImage& image_;
    std::string name_;
    std::vector<Range> parts_;
    std::vector<std::uint64_t> ahead_;
    std::set<std::uint64_t> seen_;
    bool complete_ = true;
};

/// Where a call or jump arrives: in the same file, or at a function that the loader finds by its name.
struct CodeTarget {
    std::uint64_t address = 0;  ///< 0: elsewhere.
    std::string import;         ///< "malloc", also when the file defines it: the loader may prefer another's.
    bool operator==(const CodeTarget&) const = default;
};

/// Nothing when only the running program knows. Looks through the linkage table (PLT).
std::optional<CodeTarget> target_of(const ElfImage& image, const Instruction& instruction);

}  // namespace memtrace
