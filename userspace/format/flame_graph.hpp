// Live memory by stack, for programs that draw it.
#pragma once

#include <string>

#include "model/snapshot.hpp"
#include "model/stack.hpp"

namespace memtrace {

// Stacks run from the outermost frame to the newest, in the frames that `lines` chooses; above them the process, where there are several,
// and the thread, where threads are apart. Bytes that are not UTF-8 and control characters are escaped as \xNN.

/// Live bytes in Brendan Gregg's folded format, one line a stack: "outer (file:1);inner (file:2) BYTES", sorted. ';' in names becomes ','.
std::string encode_folded(const Snapshot& snapshot, Lines lines);

/// Speedscope's own format (https://www.speedscope.app/file-format-schema.json): two profiles, live bytes and live blocks.
std::string encode_speedscope(const Snapshot& snapshot, Lines lines);

}  // namespace memtrace
