// The named moments of a trace, for its final report.
#pragma once

#include <string>

#include "model/snapshot.hpp"

namespace memtrace::cli {

/// The latest `rows` of them, oldest first: number, what the process held, name. Empty when there are none.
std::string render_marks(const Snapshot& snapshot, unsigned rows);

}  // namespace memtrace::cli
