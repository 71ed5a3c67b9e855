#include "format/pretty.hpp"

#include <fmt/format.h>

namespace memtrace {
namespace {

std::string kib(double bytes) { return fmt::format("{:.1f} KiB", bytes / 1024); }

/// A size, and its change where there is one to tell.
struct Amount {
    double bytes = 0;
    double change = 0;
    bool of_diff = false;

    explicit Amount(bool diff) : of_diff(diff) {}
    explicit Amount(const Statistic& row) : bytes(static_cast<double>(row.size_bytes)) {}
    explicit Amount(const StatisticDiff& row)
        : bytes(static_cast<double>(row.now.size_bytes)), change(static_cast<double>(row.size_diff_bytes)), of_diff(true) {}
    Amount& operator+=(const Amount& other) {
        bytes += other.bytes;
        change += other.change;
        return *this;
    }
    [[nodiscard]] std::string text() const { return kib(bytes) + (of_diff ? fmt::format(" ({:+.1f} KiB)", change / 1024) : ""); }
};

const char* plural(GroupBy by) {
    switch (by) {
        case GroupBy::line: return "lines";
        case GroupBy::file: return "files";
        case GroupBy::traceback: return "tracebacks";
        case GroupBy::function: return "functions";
        case GroupBy::domain: return "domains";
        case GroupBy::process: return "processes";
        case GroupBy::thread: return "threads";
    }
    return "";
}

const Statistic& now(const Statistic& row) { return row; }
const Statistic& now(const StatisticDiff& row) { return row.now; }

template <typename Row>
std::vector<std::string> pretty(const std::vector<Row>& rows, const PrettyFormat& format, SourceLines& source) {
    constexpr bool of_diff = std::is_same_v<Row, StatisticDiff>;
    const std::size_t limit = format.rows ? format.rows : rows.size();
    std::vector<std::string> lines;
    const GroupBy by = rows.empty() ? GroupBy::line : now(rows.front()).by;
    lines.push_back(of_diff ? fmt::format("[ Top {} differences ]", limit) : fmt::format("Top {} {}", limit, plural(by)));
    Amount total(of_diff), other(of_diff);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const Amount amount(rows[i]);
        const Statistic& row = now(rows[i]);
        total += amount;
        if (i >= limit) {
            other += amount;
        } else if (by == GroupBy::traceback) {
            lines.push_back(fmt::format("#{}: {} memory blocks: {}", i + 1, row.count, amount.text()));
            for (const std::string& line : format_traceback(row, source, format.most_recent_first)) lines.push_back(printable(line));
        } else {
            lines.push_back(fmt::format("#{}: {}: {}", i + 1, printable(format_place(row, format.filename_parts)), amount.text()));
            const std::string text = by == GroupBy::line ? source.line(row.place.file, row.place.line) : "";
            if (!text.empty()) lines.push_back("    " + printable(text));
        }
    }
    if (rows.size() > limit) lines.push_back(fmt::format("{} other: {}", rows.size() - limit, other.text()));
    lines.push_back("Total allocated size: " + total.text());
    return lines;
}

}  // namespace

void hide_as_documented(Filters& filters) {
    for (const char* name : {"<frozen importlib._bootstrap>", "<unknown>"})
        filters.files.push_back({.inclusive = false, .pattern = name, .line = {}, .all_frames = false});
}

std::vector<std::string> format_traceback(const Statistic& row, SourceLines& source, bool most_recent_first) {
    const Stack stack = row.stack();
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < stack.size(); ++i) {
        const Place place = place_of(*row.snapshot, stack[most_recent_first ? i : stack.size() - 1 - i], GroupBy::line);
        const std::string file = place.by_function ? format_symbol(place.file, place.function) : std::string(place.file);
        lines.push_back(fmt::format("  File \"{}\", line {}", file, place.line));
        const std::string text = source.line(place.file, place.line);
        if (!text.empty()) lines.push_back("    " + text);
    }
    return lines;
}

std::vector<std::string> format_pretty(const std::vector<Statistic>& rows, const PrettyFormat& format, SourceLines& source) {
    return pretty(rows, format, source);
}

std::vector<std::string> format_pretty(const std::vector<StatisticDiff>& rows, const PrettyFormat& format, SourceLines& source) {
    return pretty(rows, format, source);
}

}  // namespace memtrace
