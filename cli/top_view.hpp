// The periodic display: a header that says how far the numbers can be believed, then the lines that hold the memory.
#pragma once

#include <optional>
#include <string>

#include "model/statistics.hpp"
#include "terminal.hpp"
#include "view_options.hpp"

namespace memtrace::cli {

struct TopOptions {
    unsigned rows = 20;
    double interval_s = 5;
    ViewOptions view;  ///< Of the rows; the header's totals are always those of the process.
};

/// The text of one display. `before`: the state at the previous refresh, for changes and rates; none at the first.
std::string render_top(const Snapshot& now, const std::optional<Snapshot>& before, const TopOptions& options, const Terminal& terminal);

}  // namespace memtrace::cli
