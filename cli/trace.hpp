// A trace from attaching to its report.
#pragma once

#include <functional>

#include "options.hpp"
#include "util/result.hpp"

namespace memtrace::cli {

/// `ready` is called when allocations are counted and commands are answered; false ends the trace at once.
Result<int> trace(const TraceOptions& options, std::function<bool()> ready);

}  // namespace memtrace::cli
