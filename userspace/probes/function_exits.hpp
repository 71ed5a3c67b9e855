// Where a function ends: every instruction by which control leaves it for good.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "probes/code_walk.hpp"
#include "probes/elf_image.hpp"

namespace memtrace {

struct FunctionExits {
    std::vector<std::uint64_t> returns;  ///< Addresses of its return instructions, ascending; of its cold part, too.
    /// The returns are all there are: it has no jumps to other functions (tail calls) and none whose target is only known when it runs.
    bool all = true;
};

/// Follows the code from `entry`; `end`: exclusive bound of the function.
FunctionExits exits_of(const ElfImage& image, std::uint64_t entry, std::uint64_t end);

/// The same, and the returns of the functions of the file that it jumps to: those come back to its caller in its stead. Jumps to functions
/// of which `seen_to_return` is known need none.
FunctionExits exits_through(const ElfImage& image, std::uint64_t entry, std::uint64_t end,
                            const std::function<bool(const CodeTarget&)>& seen_to_return);

}  // namespace memtrace
