// The options of each command, one function a command; options.cpp puts them together.
#pragma once

#include <CLI/CLI.hpp>

#include "options.hpp"

namespace memtrace::cli {

/// Which blocks count, and by which frame they are shown: the same for a trace, for its snapshots and for exports of them.
void add_view_options(CLI::App& app, View& view);
/// How they are grouped, and what is told of each group.
void add_row_options(CLI::App& app, ViewOptions& view);
/// In which form.
void add_report_options(CLI::App& app, ReportOptions& report);

/// "90s", "5m", "2h", "1d", "250ms"; a bare number is seconds.
std::optional<std::chrono::milliseconds> parse_age(std::string_view text);

void add_trace_options(CLI::App& app, TraceOptions& trace);
void add_probes_options(CLI::App& app, ProbesOptions& probes);
void add_stats_options(CLI::App& app, StatsOptions& stats);
void add_top_options(CLI::App& app, TopCommandOptions& top);
void add_diff_options(CLI::App& app, DiffOptions& diff);
void add_export_options(CLI::App& app, ExportOptions& options);
void add_import_options(CLI::App& app, ImportOptions& options);
/// What `leaks` takes of them: what is traced, and with how much room.
void add_capture_options(CLI::App& app, TraceOptions& trace);
void add_leaks_options(CLI::App& app, LeaksOptions& leaks);
/// Its words that are no options: FILE, or INTERVAL and COUNT. Why that makes no sense.
Result<void> take_leaks_words(LeaksOptions& leaks, const std::vector<std::string>& words);
void add_start_options(CLI::App& app, StartOptions& start);
/// The subcommands that talk to a running trace. The one that is parsed fills `control`.
void add_control_commands(CLI::App& app, ControlOptions& control);
/// Where a running trace is reached: the process it traces, or its socket.
void add_reach_options(CLI::App& app, int& pid, std::string& socket);

/// "200MiB", "1.5 G", "4096": bytes; units are binary, whatever they are called.
std::optional<std::uint64_t> parse_size(const std::string& text);

// A range that is enforced but does not clutter the help.
template <typename T>
CLI::Validator between(T least, T most) {
    return CLI::Range(least, most).description("");
}

}  // namespace memtrace::cli
