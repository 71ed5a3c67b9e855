// Linear decoding from function starts.
#include "probes/instruction_search.hpp"

namespace memtrace {
namespace {

// Interpreter loops reach 100 KiB; this bounds the work a hostile file can cause.
constexpr std::uint64_t longest_function = 256 * 1024;
// Functions are aligned to 64 bytes at most.
constexpr std::uint64_t longest_padding = 64;

}  // namespace

std::optional<DecodeStart> decode_start(const ElfImage& image, std::uint64_t address) {
    if (const auto bounds = image.function_bounds(address)) {
        if (address - bounds->first > longest_function) return std::nullopt;
        return DecodeStart{bounds->first, false};
    }
    for (std::uint64_t at = address; at > 0 && address - at < longest_padding; --at) {
        if (image.function_bounds(at - 1)) return DecodeStart{at, true};
    }
    return std::nullopt;
}

std::optional<PlacedInstruction> instruction_around(const ElfImage& image, std::uint64_t address) {
    constexpr std::uint64_t longest_instruction = 15;
    const auto start = decode_start(image, address);
    if (!start) return std::nullopt;
    std::uint64_t at = start->address;
    for (std::size_t slack = longest_instruction; slack > 0; --slack) {
        auto bytes = image.bytes_at(at, address - at + slack);
        if (bytes.empty()) continue;  // the segment ends behind `address`
        while (at <= address) {
            const std::size_t length = decode_length(bytes);
            if (length == 0) return std::nullopt;
            if (address - at < length) return PlacedInstruction{at, *decode(bytes, at)};
            bytes = bytes.subspan(length);
            at += length;
        }
    }
    return std::nullopt;
}

}  // namespace memtrace
