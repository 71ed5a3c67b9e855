// Notices the very moment a tracee writes to a word, by the processor's debug registers: costs nothing until then.
#pragma once

#include <cstdint>

#include "util/result.hpp"

namespace memtrace {

/// From now on thread `tid`, our stopped tracee, stops right after each of its own stores to the 8 aligned bytes at `address`; 0: no
/// longer. Other threads' stores are not noticed; threads and processes made later do not inherit it, and an exec ends it.
/// Error: this machine has no debug registers to give.
Result<void> watch_writes(int tid, std::uint64_t address);

/// Whether the stop that waitpid reported as `status` is such a one.
bool is_watched_write(int tid, int status);

}  // namespace memtrace
