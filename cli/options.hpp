// What was asked for on the command line, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/statistics.hpp"

namespace memtrace::cli {

struct TraceOptions {
    int pid = 0;  ///< 0: `command` is run instead.
    std::vector<std::string> command;
    double interval_s = 5;
    unsigned rows = 20;
    View view;
    std::optional<double> duration_s;
    std::string output;  ///< -o; empty: no final snapshot.
    std::optional<double> snapshot_every_s;
    std::string snapshot_template;
    unsigned frames = 1;
    std::optional<std::uint64_t> live_blocks;
    std::optional<std::uint32_t> sites;
    bool redirect = true;
    std::optional<double> max_overhead;  ///< Percent of one core.
    bool follow = false;
    bool threads = false;
    std::vector<std::string> marks;  ///< Functions; each can be parsed (parse_mark).
};
struct StatsOptions {
    std::string file;
    unsigned rows = 0;  ///< 0: all.
    View view;
};
struct DiffOptions {
    std::string before, after;
    unsigned rows = 0;
    View view;
};
struct ProbesOptions {
    int pid = 0;
    double seconds = 1;  ///< How long hits are counted.
    bool redirect = true;
};
struct DoctorOptions {};

using Options = std::variant<TraceOptions, StatsOptions, DiffOptions, ProbesOptions, DoctorOptions>;

/// Either what to do, or the exit status of a run that ended with the parsing (--help, --version, a usage error: printed already).
std::variant<Options, int> parse_options(int argc, char** argv);

}  // namespace memtrace::cli
