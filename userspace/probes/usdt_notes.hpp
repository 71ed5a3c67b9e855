// The marks a file carries: SystemTap's static probes (.note.stapsdt) of provider "memtrace", as include/memtrace_mark.h writes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "probes/elf_image.hpp"

namespace memtrace {

struct UsdtProbe {
    std::uint64_t address = 0;  ///< Link-time address of its nop.
    std::string provider;
    std::string name;
    std::string arguments;  ///< "8@%rdi".
    bool operator==(const UsdtProbe&) const = default;
};

/// All probes of a .note.stapsdt section. `base`: address of .stapsdt.base, where there is one. Stops at what is no note.
/// Format: sourceware.org/systemtap/wiki/UserSpaceProbeImplementation.
std::vector<UsdtProbe> parse_usdt_notes(std::span<const std::byte> notes, std::optional<std::uint64_t> base);

/// Those of a file that are marks, at most 4096.
std::vector<UsdtProbe> own_marks(const ElfImage& image);

}  // namespace memtrace
