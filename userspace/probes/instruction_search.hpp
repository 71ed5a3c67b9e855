// Finds true instruction boundaries: x86 code can only be decoded forwards, from a place where an instruction is known to start.
#pragma once

#include <cstdint>
#include <optional>

#include "probes/decode.hpp"
#include "probes/elf_image.hpp"

namespace memtrace {

/// An instruction and where it stands.
struct PlacedInstruction {
    std::uint64_t address = 0;
    Instruction instruction;
};

/// Where decoding can start in order to arrive at an address.
struct DecodeStart {
    std::uint64_t address = 0;
    bool in_padding = false;  ///< Behind the end of a function, rather than at the start of one.
};

/// The start of the function around `address`, or of the padding behind the function before it (up to 64 bytes back).
/// Nothing when neither is known, or when the function is absurdly long.
std::optional<DecodeStart> decode_start(const ElfImage& image, std::uint64_t address);

/// The instruction whose bytes include `address`. Nothing when there is no place to start from or the bytes make no sense.
std::optional<PlacedInstruction> instruction_around(const ElfImage& image, std::uint64_t address);

}  // namespace memtrace
