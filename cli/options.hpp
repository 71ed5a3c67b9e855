// What was asked for on the command line, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "control/request.hpp"
#include "model/statistics.hpp"
#include "view_options.hpp"

namespace memtrace::cli {

/// What `leaks` shows in place of the top: stacks and what they have not freed, as bcc's memleak does.
struct LeaksReport {
    unsigned stacks = 10;
    bool show_blocks = false;       ///< Each outstanding block, too.
    bool show_calls = false;        ///< Each block as it is allocated or freed.
    bool histogram = false;         ///< Of sizes and ages.
    bool age_given = false;         ///< Else all ages count once the program has ended.
    std::optional<unsigned> count;  ///< Reports, of which the last one ends the trace; none: until it is ended.
};

struct TraceOptions {
    int pid = 0;  ///< 0: `command` is run instead.
    std::vector<std::string> command;
    double interval_s = 5;
    unsigned rows = 20;
    ViewOptions view;
    std::optional<double> duration_s;
    std::string output;  ///< -o; empty: no final snapshot.
    std::optional<double> snapshot_every_s;
    std::string snapshot_template;
    unsigned frames = 1;
    std::optional<std::uint64_t> live_blocks;
    std::optional<std::uint32_t> sites;
    bool redirect = true;
    std::vector<std::string> allocator_prefixes;  ///< Beside those that are known.
    std::optional<double> max_overhead;           ///< Percent of one core.
    bool follow = false;
    bool threads = false;
    bool debuginfod = false;         ///< Debug files are fetched from the servers in $DEBUGINFOD_URLS.
    std::vector<std::string> marks;  ///< Functions; each can be parsed (parse_mark).
    unsigned snapshot_keep = 0;      ///< How many periodic snapshots stay; 0: all.
    bool compare_first = false;      ///< The CHANGE column since the first display, not since the previous one.
    std::string socket;              ///< Empty: /run/memtrace-bpf/PID.sock.
    std::uint64_t checkpoint_memory = std::uint64_t{64} << 20;
    std::string checkpoint_folder;
    std::optional<std::uint64_t> fail_over, fail_growth;  ///< Bytes; more make the exit status 3.
    std::string summary;                                  ///< --summary; empty: none.
    bool plain = false;                                   ///< No full-screen display, on a terminal neither.
    std::string log;                                      ///< Of a trace in the background, which shows nothing.
    std::optional<LeaksReport> leaks;
};
struct LeaksOptions {
    TraceOptions trace;
    std::string file;  ///< A snapshot; empty: `trace` is done.
};
struct StartOptions {
    TraceOptions trace;
};
/// A request to a running trace.
struct ControlOptions {
    int pid = 0;
    std::string socket;
    control::Request request;
    std::string output;  ///< `snapshot`.
    bool json = false;
};
struct StatsOptions {
    std::string file;
    std::optional<unsigned> rows;  ///< 0: all; none: as the format has it.
    ViewOptions view;
    ReportOptions report;
};
/// Saved snapshots in the display of a trace.
struct TopCommandOptions {
    std::vector<std::string> files;
    bool replay = false;  ///< One after another.
    double interval_s = 1;
    unsigned rows = 20;
    bool compare_first = false;
    bool plain = false;
    ViewOptions view;
};
struct DiffOptions {
    std::string before, after;  ///< Files; with `pid` or `socket` checkpoints of a running trace, an empty one is now.
    bool growth = false;
    std::vector<std::string> later;  ///< With `growth`: snapshots after those two.
    std::optional<unsigned> rows;
    ViewOptions view;
    ReportOptions report;
    int pid = 0;
    std::string socket;
};
struct ProbesOptions {
    int pid = 0;
    double seconds = 1;  ///< How long hits are counted.
    bool redirect = true;
    std::vector<std::string> allocator_prefixes;
};
struct DoctorOptions {};
struct ExportOptions {
    std::string file, output;
    std::string format;          ///< "tracemalloc", "pprof", "folded", "speedscope", "json", "csv".
    unsigned python_minor = 15;  ///< Of Python 3; for "tracemalloc".
    View view;
};
struct ImportOptions {
    std::string file, output;
};

using Options = std::variant<TraceOptions, StatsOptions, DiffOptions, ProbesOptions, DoctorOptions, StartOptions, ControlOptions, ExportOptions,
                             ImportOptions, LeaksOptions, TopCommandOptions>;

/// Either what to do, or the exit status of a run that ended with the parsing (--help, --version, a usage error: printed already).
std::variant<Options, int> parse_options(int argc, char** argv);

}  // namespace memtrace::cli
