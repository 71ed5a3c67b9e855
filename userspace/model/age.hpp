// Ages of blocks in steps of at most a sixteenth: fine enough to choose by, few enough to count blocks by.
#pragma once

#include <chrono>
#include <cstdint>

namespace memtrace {

/// Up to 16 ms each millisecond is a step; beyond, each doubling has 16 of them.
enum class AgeStep : std::uint16_t {};

/// The step an age belongs to; negative ages (a clock that jumped) count as none. Ages beyond 2^40 ms (35 years) share the last step.
AgeStep age_step(std::chrono::nanoseconds age);

/// The youngest age of a step: what belongs to it is at least that old, and less than a sixteenth older.
std::chrono::milliseconds age_of(AgeStep step);

}  // namespace memtrace
