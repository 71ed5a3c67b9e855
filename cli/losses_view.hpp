// What every report says of the numbers it shows: what is missing from them, and what they do not tell.
#pragma once

#include <string>

#include "model/snapshot.hpp"
#include "terminal.hpp"

namespace memtrace::cli {

/// "lost N: CAUSE N · …", then the causes of doubt; every cause is there, zeros included. What does not fit one line goes on the next.
std::string render_losses(const Snapshot& snapshot, const Terminal& terminal);

}  // namespace memtrace::cli
