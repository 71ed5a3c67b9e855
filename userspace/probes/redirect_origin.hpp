// The reverse of plan_redirects(): which function an equivalent address stands for.
#pragma once

#include <cstdint>
#include <optional>

#include "probes/elf_image.hpp"

namespace memtrace {

/// The function that `address` (link-time) leads to when it is no function's own beginning but a jmp to one, nop padding before
/// one, or what follows one's endbr64. Nothing when it is an ordinary function pointer.
std::optional<std::uint64_t> redirect_origin(const ElfImage& image, std::uint64_t address);

}  // namespace memtrace
