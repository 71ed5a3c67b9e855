// How the groups of a snapshot are shown, by whichever command shows them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "format/text.hpp"
#include "model/statistics.hpp"
#include "terminal.hpp"

namespace memtrace::cli {

/// A view, and what is told of its groups in which order.
struct ViewOptions : View {
    ViewOptions() = default;
    ViewOptions(View view) : View(std::move(view)) {}
    std::optional<Order> order;              ///< None: as the command has it.
    std::vector<Column> columns;             ///< Empty: as the command has it.
    std::optional<unsigned> filename_parts;  ///< 0: all; none: as the command has it.
    Colour colour = Colour::automatic;

    [[nodiscard]] bool shows(Column column) const;
    /// Snapshots must tell single blocks' sizes and ages.
    [[nodiscard]] bool needs_blocks() const { return blocks.any() || order == Order::age || shows(Column::age); }
};

/// Of `stats` and `diff`.
struct ReportOptions {
    /// Of sizes and ages.
    enum class Histogram { none, total, rows } histogram = Histogram::none;
    enum class Format { text, pretty, json, csv } format = Format::text;
    bool tracebacks = false;         ///< All frames of each row.
    bool most_recent_first = false;  ///< In tracebacks.
};

/// Why such a view makes no sense, of whatever snapshot.
Result<void> check(const ViewOptions& view);
/// Why there is no such view of this snapshot.
Result<void> check(const ViewOptions& view, const Snapshot& snapshot);

/// "only raw - without a.py:7 - by file"; empty where all is as by default.
std::string description(const ViewOptions& view, const std::string& between);

}  // namespace memtrace::cli
