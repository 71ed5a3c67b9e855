// Finds every place in the code that might refer to an address, at the speed of memory: no decoding, any byte position.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "probes/elf_image.hpp"

namespace memtrace {

namespace detail {

// Four displacements at a time; GCC and clang lower these to SSE2 or NEON.
using Lanes = std::uint32_t __attribute__((vector_size(16)));
using Halves = std::uint64_t __attribute__((vector_size(16)));

inline Lanes load_lanes(const std::byte* from) {
    Lanes lanes;
    std::memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

// Whether one of the 16 displacements that start in [at, at + 16) may lead into [low, low + span], modulo 2^32.
inline bool block_leads_into(const std::byte* at, std::uint32_t address, std::uint32_t low, std::uint32_t span) {
    const Lanes starts = Lanes{0, 4, 8, 12} + (address + 4 - low);
    const auto within = (load_lanes(at) + starts <= span) | (load_lanes(at + 1) + starts + 1 <= span) | (load_lanes(at + 2) + starts + 2 <= span) |
                        (load_lanes(at + 3) + starts + 3 <= span);
    const auto halves = std::bit_cast<Halves>(within);
    return (halves[0] | halves[1]) != 0;
}

}  // namespace detail

/// Calls hit(position, target) for each 4-byte displacement in `view` that, counted from its own end as in a near branch or
/// a rip-relative operand, leads into [low, high]. Most hits are chance; the caller looks at what precedes them.
template <typename Hit>
void for_each_displacement(const CodeView& view, std::uint64_t low, std::uint64_t high, Hit&& hit) {
    constexpr std::size_t block = 16;
    const std::byte* bytes = view.bytes.data();
    const std::size_t size = view.bytes.size();
    const auto check = [&](std::size_t index) {
        std::int32_t displacement;
        std::memcpy(&displacement, bytes + index, sizeof displacement);
        const std::uint64_t target = view.address + index + 4 + static_cast<std::uint64_t>(std::int64_t{displacement});
        if (target >= low && target <= high) hit(view.address + index, target);
    };
    std::size_t index = 0;
    for (; index + block + 3 <= size; index += block) {
        const auto address = static_cast<std::uint32_t>(view.address + index);
        if (!detail::block_leads_into(bytes + index, address, static_cast<std::uint32_t>(low), static_cast<std::uint32_t>(high - low))) continue;
        for (std::size_t i = 0; i < block; ++i) check(index + i);
    }
    for (; index + 4 <= size; ++index) check(index);
}

}  // namespace memtrace
