#include "model/age.hpp"

#include <algorithm>
#include <bit>

namespace memtrace {
namespace {

constexpr unsigned steps_per_doubling = 16;
constexpr unsigned first_doubling = 4;  // 2^4 = 16 ms: from there on a step is longer than a millisecond, or as long

}  // namespace

AgeStep age_step(std::chrono::nanoseconds age) {
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(age).count();
    const std::uint64_t bounded = std::clamp<std::int64_t>(ms, 0, std::int64_t{1} << 40);
    if (bounded < steps_per_doubling) return static_cast<AgeStep>(bounded);
    const unsigned doubling = static_cast<unsigned>(std::bit_width(bounded)) - 1;
    const std::uint64_t place = (bounded >> (doubling - first_doubling)) & (steps_per_doubling - 1);
    return static_cast<AgeStep>((doubling - first_doubling + 1) * steps_per_doubling + place);
}

std::chrono::milliseconds age_of(AgeStep step) {
    const std::uint64_t index = static_cast<std::uint16_t>(step);
    if (index < steps_per_doubling) return std::chrono::milliseconds(index);
    const std::uint64_t doubling = std::min<std::uint64_t>(index / steps_per_doubling - 1, 40);
    return std::chrono::milliseconds((steps_per_doubling + index % steps_per_doubling) << doubling);
}

}  // namespace memtrace
