// Talking to a running trace.
#pragma once

#include <string>

#include "control/client.hpp"
#include "model/snapshot.hpp"
#include "util/result.hpp"

namespace memtrace::cli {

/// One request to the trace of `pid`, or to the one at `socket` where that is not empty.
Result<control::Client::Reply> ask_trace(int pid, const std::string& socket, const control::Request& request);

/// A checkpoint of a running trace; empty: its state now.
Result<Snapshot> fetch_snapshot(int pid, const std::string& socket, const std::string& checkpoint);

}  // namespace memtrace::cli
