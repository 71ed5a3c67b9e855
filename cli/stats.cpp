// `stats FILE` and `diff OLD NEW`: tracemalloc's lines and other forms of the same rows, no root needed.
#include <cstdio>

#include "ask.hpp"
#include "commands.hpp"
#include "format/histogram.hpp"
#include "format/pprof.hpp"
#include "format/pretty.hpp"
#include "format/report.hpp"
#include "model/first_rows.hpp"
#include "remarks.hpp"

namespace memtrace::cli {
namespace {

using Format = ReportOptions::Format;
using Histogram = ReportOptions::Histogram;

// Snapshots by the names they were asked for by, oldest first.
struct Input {
    std::vector<Snapshot> snapshots;
    std::vector<std::string> names;
};

const Statistic& now(const Statistic& row) { return row; }
const Statistic& now(const StatisticDiff& row) { return row.now; }
const Statistic& now(const Growth& row) { return row.diff.now; }

std::string colours(const std::string& line, const Statistic&) { return line; }

// The change of a size, painted as in the top.
std::string colours(std::string line, const StatisticDiff& row) {
    const std::string change = "(" + format_size_diff(row.size_diff_bytes) + ")";
    const std::size_t at = line.rfind(change);
    if (row.size_diff_bytes == 0 || at == std::string::npos) return line;
    line.insert(at + change.size(), "\033[0m");
    return line.insert(at, row.size_diff_bytes > 0 ? "\033[33m" : "\033[32m");
}

std::string colours(const std::string& line, const Growth& row) { return colours(line, row.diff); }

std::string text_of(const Statistic& row, const LineFormat& format) { return format_line(row, format); }
std::string text_of(const StatisticDiff& row, const LineFormat& format) { return format_line(row, format); }
std::string text_of(const Growth& row, const LineFormat& format) {
    std::string text = format_line(row.diff, format) + ", grew";
    for (std::size_t i = 0; i < row.sizes.size(); ++i) text += (i ? " -> " : " ") + format_size(row.sizes[i]);
    return text;
}

class Output {
public:
    Output(const Input& input, const ViewOptions& view, const ReportOptions& report, std::optional<unsigned> rows)
        : input_(input), view_(view), report_(report), rows_(rows) {}

    template <typename Row>
    void print(const std::vector<Row>& rows) const {
        if (report_.format == Format::pretty) return print_pretty(rows);
        if (report_.format == Format::text) return print_lines(rows);
        Report report{input_.snapshots, view_, {}, rows_.value_or(0)};
        const BlockHistograms total = histograms_of_all();
        if (report_.histogram != Histogram::none) report.histograms = &total;
        for (const Row& row : rows) report.rows.emplace_back(row);
        const std::string text = report_.format == Format::json ? encode_report_json(report) : encode_report_csv(report);
        std::fwrite(text.data(), 1, text.size(), stdout);
    }

private:
    template <typename Row>
    void print_lines(const std::vector<Row>& rows) const {
        LineFormat format;
        if (!view_.columns.empty()) format.columns = view_.columns;
        format.filename_parts = view_.filename_parts.value_or(0);
        format.interval = interval_of(input_.snapshots);
        const Terminal terminal = Terminal::of(stdout, view_.colour);
        const bool painted = terminal.colour;
        SourceLines source;
        std::size_t left = rows_.value_or(0) ? *rows_ : rows.size();
        for (const Row& row : rows) {
            if (left-- == 0) break;
            const std::string line = printable(text_of(row, format));
            std::puts((painted ? colours(line, row) : line).c_str());
            print_histograms(now(row).histograms, terminal);
            if (!report_.tracebacks) continue;
            for (const std::string& frame : format_traceback(now(row), source, report_.most_recent_first)) std::puts(printable(frame).c_str());
        }
        print_user_data();
        print_histograms(histograms_of_all(), terminal);
    }

    [[nodiscard]] BlockHistograms histograms_of_all() const {
        return report_.histogram == Histogram::none ? BlockHistograms() : histograms(input_.snapshots.back(), view_);
    }

    static void print_histograms(const BlockHistograms& histograms, const Terminal& terminal) {
        for (const std::string& line : format_histograms(histograms, {terminal.unicode, terminal.colour})) std::puts(line.c_str());
    }

    template <typename Row>
    void print_pretty(const std::vector<Row>& rows) const {
        PrettyFormat format;
        format.rows = rows_.value_or(format.rows);
        format.filename_parts = view_.filename_parts.value_or(format.filename_parts);
        format.most_recent_first = report_.most_recent_first;
        SourceLines source;
        for (const std::string& line : pretty_lines(rows, format, source)) std::puts(line.c_str());
        print_user_data();
        print_histograms(histograms_of_all(), Terminal::of(stdout, view_.colour));
    }

    template <typename Row>
    static std::vector<std::string> pretty_lines(const std::vector<Row>& rows, const PrettyFormat& format, SourceLines& source) {
        return format_pretty(rows, format, source);
    }
    static std::vector<std::string> pretty_lines(const std::vector<Growth>& rows, const PrettyFormat& format, SourceLines& source) {
        std::vector<StatisticDiff> diffs;
        for (const Growth& row : rows) diffs.push_back(row.diff);
        return format_pretty(diffs, format, source);
    }

    void print_user_data() const {
        const Snapshot* before = input_.snapshots.size() > 1 ? &input_.snapshots.front() : nullptr;
        for (const std::string& line : format_user_data(input_.snapshots.back(), before)) std::puts(printable(line).c_str());
    }

    const Input& input_;
    const ViewOptions& view_;
    const ReportOptions& report_;
    std::optional<unsigned> rows_;
};

// The view as it is shown: the report for people hides what it hides in tracemalloc's documentation.
ViewOptions shown(ViewOptions view, const ReportOptions& report) {
    if (report.format == Format::pretty) hide_as_documented(view.filters);
    view.histograms = report.histogram == Histogram::rows;
    return view;
}

// Of lines that are not shown nobody needs to know more; other forms tell sums of them, another order needs them all.
std::size_t wanted_rows(const ViewOptions& view, const ReportOptions& report, std::optional<unsigned> rows) {
    return report.format == Format::text && !view.order && rows.value_or(0) ? *rows : all_rows;
}

Result<void> check_all(ViewOptions view, const ReportOptions& report, const Input& input) {
    view.histograms = report.histogram != Histogram::none;
    for (std::size_t i = 0; i < input.snapshots.size(); ++i)
        if (Result<void> sense = check(view, input.snapshots[i]); !sense) return Error(sense.error()).in(input.names[i]);
    return {};
}

}  // namespace

Result<int> stats(const StatsOptions& options) {
    Input input;
    input.names = {options.file};
    Result<Snapshot> snapshot = read_snapshot(options.file);
    if (!snapshot) return snapshot.error();
    input.snapshots.push_back(*std::move(snapshot));
    const ViewOptions view = shown(options.view, options.report);
    if (Result<void> sense = check_all(view, options.report, input); !sense) return sense.error();
    std::vector<Statistic> rows = first_statistics(input.snapshots.front(), view, wanted_rows(view, options.report, options.rows));
    if (view.order) sort(rows, *view.order);
    Output(input, view, options.report, options.rows).print(rows);
    remark_on_filters(options.view, input.snapshots);
    if (rows.empty())
        std::fprintf(stderr, "memtrace-bpf: %s: nothing %swas live that had been allocated since tracing began\n", options.file.c_str(),
                     options.view == View() ? "" : "of what is shown ");
    remark_on_losses(options.file, input.snapshots.front());
    return 0;
}

Result<int> diff(const DiffOptions& options) {
    const bool running = options.pid || !options.socket.empty();
    Input input;
    input.names = {options.before, options.after};
    input.names.insert(input.names.end(), options.later.begin(), options.later.end());
    for (std::string& name : input.names) {
        Result<Snapshot> snapshot = running ? fetch_snapshot(options.pid, options.socket, name) : read_snapshot(name);
        if (!snapshot) return snapshot.error();
        input.snapshots.push_back(*std::move(snapshot));
        if (name.empty()) name = "now";
    }
    const ViewOptions view = shown(options.view, options.report);
    if (Result<void> sense = check_all(view, options.report, input); !sense) return sense.error();
    remark_on_programs(input.snapshots, input.names);
    const Output output(input, view, options.report, options.rows);
    if (options.growth) {
        const std::vector<Growth> rows = growth(input.snapshots, view);
        output.print(rows);
        if (rows.empty()) std::fprintf(stderr, "memtrace-bpf: nothing grew from each of these snapshots to the next\n");
    } else {
        std::vector<StatisticDiff> rows = first_differences(input.snapshots[0], input.snapshots[1], view,
                                                            wanted_rows(view, options.report, options.rows));
        if (view.order) sort(rows, *view.order);
        output.print(rows);
    }
    remark_on_filters(options.view, input.snapshots);
    for (std::size_t i = 0; i < input.names.size(); ++i) remark_on_losses(input.names[i], input.snapshots[i]);
    return 0;
}

}  // namespace memtrace::cli
