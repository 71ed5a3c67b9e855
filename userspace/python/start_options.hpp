// How an interpreter was told to start.
#pragma once

namespace memtrace {

/// Whether process `pid`, if it is a CPython, was told to use other allocators than its own (PYTHONMALLOC, PYTHONDEVMODE, -X dev): it
/// then sets them up in its first moments. False as well when that cannot be read.
bool sets_up_allocators(int pid);

}  // namespace memtrace
