// A snapshot as JSON for Python's client, which makes a tracemalloc.Snapshot of it (docs/decisions/0008).
#pragma once

#include <string>

#include "model/snapshot.hpp"

namespace memtrace::control {

/// {"traceback_limit", "frames": [[file, line] …], "sites": [[domain, [frame …], total, [[size, count] …]] …]}. Domains are 0 for CPython's, 1 for
/// malloc, 2 for mmap. Live blocks only. Of snapshots without block sizes the live bytes of a site are spread over its blocks.
std::string print_traces(const Snapshot& snapshot);

}  // namespace memtrace::control
