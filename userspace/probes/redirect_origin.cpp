#include "probes/redirect_origin.hpp"

#include <algorithm>

#include "probes/decode.hpp"

namespace memtrace {
namespace {

constexpr std::size_t endbr64_bytes = 4;
constexpr std::size_t longest_instruction = 15;
constexpr std::uint64_t longest_padding = 64;  // compilers align functions to 64 bytes at most

bool begins_function(const ElfImage& image, std::uint64_t address) {
    const auto bounds = image.function_bounds(address);
    return bounds && bounds->first == address;
}

std::optional<Instruction> instruction_at(const ElfImage& image, std::uint64_t address) {
    for (std::size_t size = longest_instruction; size > 0; --size) {
        const std::span<const std::byte> bytes = image.bytes_at(address, size);
        if (!bytes.empty()) return decode(bytes, address);
    }
    return std::nullopt;
}

bool is_endbr64(std::span<const std::byte> bytes) {
    static constexpr unsigned char pattern[] = {0xf3, 0x0f, 0x1e, 0xfa};
    return bytes.size() == sizeof pattern && std::equal(bytes.begin(), bytes.end(), reinterpret_cast<const std::byte*>(pattern));
}

}  // namespace

std::optional<std::uint64_t> redirect_origin(const ElfImage& image, std::uint64_t address) {
    if (begins_function(image, address)) return std::nullopt;
    std::optional<Instruction> instruction = instruction_at(image, address);
    if (!instruction) return std::nullopt;
    if (instruction->flow == ControlFlow::jump && instruction->target && begins_function(image, *instruction->target)) return instruction->target;
    const std::uint64_t before = address - endbr64_bytes;
    if (is_endbr64(image.bytes_at(before, endbr64_bytes)) && begins_function(image, before)) return before;
    for (std::uint64_t at = address; instruction && instruction->does_nothing && at < address + longest_padding;) {
        at += instruction->length;
        if (begins_function(image, at)) return at;
        instruction = instruction_at(image, at);
    }
    return std::nullopt;
}

}  // namespace memtrace
