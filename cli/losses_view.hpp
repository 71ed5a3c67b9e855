// What every report says of the numbers it shows: what is missing from them, and what they do not tell.
#pragma once

#include <string>

#include "model/snapshot.hpp"
#include "terminal.hpp"

namespace memtrace::cli {

/// 1 204 511: digits in groups of three.
std::string grouped(std::uint64_t number);
/// "1 204", "12 k", "1.2 M".
std::string short_count(double number);

/// "lost N: CAUSE N · …", then the causes of doubt; every cause is there, zeros included. What does not fit one line goes on the next.
std::string render_losses(const Snapshot& snapshot, const Terminal& terminal);

}  // namespace memtrace::cli
