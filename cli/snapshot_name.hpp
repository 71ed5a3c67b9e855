// File names of periodic snapshots (PEP 454's first draft, TakeSnapshot.filename_template).
#pragma once

#include <chrono>
#include <string>

namespace memtrace::cli {

/// Replaces $pid, $timestamp (local time, 2013-09-24-16-33-48) and $counter (from 1, four digits) in `name`.
std::string snapshot_name(std::string name, int pid, unsigned counter, std::chrono::system_clock::time_point time);

}  // namespace memtrace::cli
