// What is typed into the bottom line: a filter, names, an answer.
#pragma once

#include "screen/state.hpp"

namespace memtrace::cli::screen {

/// A key while State::prompt is open.
Action type(State& state, const Key& key);

}  // namespace memtrace::cli::screen
