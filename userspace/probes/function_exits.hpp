// Where a function ends: every instruction by which control leaves it for good.
#pragma once

#include <cstdint>
#include <vector>

#include "probes/elf_image.hpp"

namespace memtrace {

struct FunctionExits {
    std::vector<std::uint64_t> returns;  ///< Addresses of its return instructions, ascending; of its cold part, too.
    /// The returns are all there are: it has no jumps to other functions (tail calls) and none whose target is only known when it runs.
    bool all = true;
};

/// Follows the code from `entry`, so that nothing but instructions is taken for one; `end`: exclusive bound of the function.
FunctionExits exits_of(const ElfImage& image, std::uint64_t entry, std::uint64_t end);

}  // namespace memtrace
