// The options of each command, one function a command; options.cpp puts them together.
#pragma once

#include <CLI/CLI.hpp>

#include "options.hpp"

namespace memtrace::cli {

/// What is shown of the blocks that are known: the same for a trace and for its snapshots.
void add_view_options(CLI::App& app, View& view);

void add_trace_options(CLI::App& app, TraceOptions& trace);
void add_probes_options(CLI::App& app, ProbesOptions& probes);
void add_stats_options(CLI::App& app, StatsOptions& stats);
void add_diff_options(CLI::App& app, DiffOptions& diff);
void add_export_options(CLI::App& app, ExportOptions& options);
void add_import_options(CLI::App& app, ImportOptions& options);

// A range that is enforced but does not clutter the help.
template <typename T>
CLI::Validator between(T least, T most) {
    return CLI::Range(least, most).description("");
}

}  // namespace memtrace::cli
