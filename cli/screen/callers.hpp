// The tracebacks of one row as a tree: from the line that allocates outwards to its callers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/statistics.hpp"
#include "screen/table.hpp"

namespace memtrace::cli::screen {

struct CallerLine {
    std::string branch;  ///< What is drawn before it: "│ ├─ ".
    Place place;         ///< Refers to the snapshot.
    std::string_view function;
    bool python = false;
    std::uint64_t bytes = 0, count = 0;  ///< Of the tracebacks that go this way.
    bool cut = false;                    ///< Its callers are not known: the trace keeps no more frames.
};

/// Refers to the snapshot, which it keeps.
struct Callers {
    std::shared_ptr<const Snapshot> snapshot;
    std::vector<CallerLine> lines;  ///< The largest first, each before its callers; at most 10 000.
    std::size_t tracebacks = 0;
    std::uint64_t bytes = 0, count = 0;
    bool more = false;  ///< Not all tracebacks have a place in it.
};

/// `unicode`: which characters draw the branches.
Callers callers_of(std::shared_ptr<const Snapshot> snapshot, const View& view, const RowKey& key, bool unicode);

}  // namespace memtrace::cli::screen
