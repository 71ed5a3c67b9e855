#include "options.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "options_parts.hpp"
#include "presets.hpp"

namespace memtrace::cli {
namespace {

// One usage text for the three ways to call us; CLI11's own knows only one.
class Usage : public CLI::Formatter {
public:
    std::string make_usage(const CLI::App* app, std::string name) const override {
        if (app->get_parent()) return CLI::Formatter::make_usage(app, std::move(name));
        return "\nUsage: memtrace-bpf -p PID [OPTIONS]               trace a running process\n"
               "       memtrace-bpf [OPTIONS] -- COMMAND ARGS...   run a program and trace it\n"
               "       memtrace-bpf SUBCOMMAND ...                 see below\n";
    }
};

constexpr const char* examples = R"(
Examples:
  sudo memtrace-bpf -p 4242                         top of the lines that hold memory, every 5 s
  sudo memtrace-bpf -p 4242 --duration 60 -o a.pb.gz   trace a minute, then save a snapshot
  sudo memtrace-bpf --follow -p 4242                a prefork server and all of its workers
  sudo memtrace-bpf --frames 16 -- ./server --port 80  trace a program from its first instruction on
  sudo memtrace-bpf start -p 4242                   trace in the background; then: checkpoint, diff, status, stop ...
  memtrace-bpf diff before.pb.gz after.pb.gz        which lines grew (needs no root)
  go tool pprof -http : a.pb.gz                     snapshots are pprof profiles

Sizes are binary (1 KiB = 1024 B). Blocks older than the trace are not known; their frees are counted as untracked.)";

// Not by CLI11: to it a variable would be an option before the subcommand.
void take_environment(std::string& socket) {
    const char* path = std::getenv("MEMTRACE_BPF_SOCKET");
    if (socket.empty() && path) socket = path;
}

int wrong(const Error& error) {
    std::fprintf(stderr, "memtrace-bpf: %s\n", error.what.c_str());
    if (!error.hint.empty()) std::fprintf(stderr, "  -> %s\n", error.hint.c_str());
    return 2;
}

Result<void> check(const ViewOptions& view, const ReportOptions& report) {
    if (report.tracebacks && view.by != GroupBy::traceback) return Error{"--tracebacks wants --by traceback"};
    return cli::check(view);
}

Result<void> check_growth(const DiffOptions& diff) {
    if (!diff.growth) return diff.later.empty() ? Result<void>() : Error{"diff compares two snapshots", "--growth takes more"};
    if (diff.later.empty()) return Error{"--growth wants three snapshots or more"};
    return diff.view.order ? Error{"--growth has an order of its own: by total growth", "leave out --sort"} : Result<void>();
}

const char* diff_problem(const DiffOptions& diff) {
    const bool running = diff.pid || !diff.socket.empty();
    return diff.after.empty() && !running ? "diff wants two snapshots, or -p PID and the names of checkpoints" : nullptr;
}

}  // namespace

std::variant<Options, int> parse_options(int argc, char** argv) {
    TraceOptions trace;
    trace.snapshot_template = "memtrace-$pid-$counter.pb.gz";
    StatsOptions stats;
    TopCommandOptions top;
    DiffOptions diff;
    ProbesOptions probes;
    ExportOptions exported;
    ImportOptions imported;
    StartOptions start;
    start.trace.snapshot_template = trace.snapshot_template;
    ControlOptions control;
    LeaksOptions leaks;

    // What stands behind "--" is another program's command line: none of our business.
    char** const separator = std::find_if(argv + 1, argv + argc, [](const char* word) { return std::strcmp(word, "--") == 0; });
    const bool has_command = separator != argv + argc;
    if (has_command) trace.command.assign(separator + 1, argv + argc);

    CLI::App app{"Shows which lines of a running Python or C/C++ program hold its memory, from outside.", "memtrace-bpf"};
    app.formatter(std::make_shared<Usage>());
    app.set_version_flag("--version", "memtrace-bpf " MEMTRACE_VERSION);
    app.require_subcommand(0, 1);
    add_trace_options(app, trace);

    CLI::App* stats_command = app.add_subcommand("stats", "Live memory of a snapshot by line, in tracemalloc's format");
    add_stats_options(*stats_command, stats);
    CLI::App* top_command = app.add_subcommand("top", "Saved snapshots in the display of a trace");
    add_top_options(*top_command, top);
    CLI::App* diff_command = app.add_subcommand("diff", "What changed between two snapshots, by line");
    add_diff_options(*diff_command, diff);
    CLI::App* probes_command = app.add_subcommand("probes", "Where probes stand in a process, what a hit costs, how often they are hit");
    add_probes_options(*probes_command, probes);
    CLI::App* start_command = app.add_subcommand("start", "Trace a running process in the background; the commands below talk to it");
    add_start_options(*start_command, start);
    CLI::App* leaks_command = app.add_subcommand("leaks", "What stacks have allocated and not freed, as bcc's memleak shows it");
    add_leaks_options(*leaks_command, leaks);
    add_control_commands(app, control);
    CLI::App* doctor_command = app.add_subcommand("doctor", "What this kernel and user can do, and what that limits");

    CLI::App* export_command = app.add_subcommand("export", "A snapshot for other programs: tracemalloc, pprof, flame graphs, JSON, CSV");
    add_export_options(*export_command, exported);
    CLI::App* import_command = app.add_subcommand("import", "A snapshot of Python's tracemalloc as one of ours");
    add_import_options(*import_command, imported);

    app.footer(examples);  // after the subcommands, which would inherit it

    const Result<std::vector<std::string>> words = with_presets({argv + 1, separator}, presets_file());
    if (!words) return wrong(words.error());
    try {
        app.parse(std::vector<std::string>(words->rbegin(), words->rend()));  // CLI11 wants the last one first
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    const bool has_subcommand = !app.get_subcommands().empty();
    const char* problem = nullptr;
    const std::vector<CLI::Option*> set = app.get_options([](const CLI::Option* option) { return option->count() > 0; });
    if (has_subcommand && !set.empty()) problem = "a subcommand takes its options behind it, not before";
    const bool runs_command = !has_subcommand || leaks_command->parsed();
    if (has_subcommand && ((has_command && !runs_command) || trace.pid))
        problem = "a subcommand other than leaks takes neither -- COMMAND nor a -p before it";
    if (!has_subcommand && has_command && trace.pid) problem = "give either -p PID or -- COMMAND, not both";
    if (runs_command && has_command && trace.command.empty()) problem = "-- must be followed by a command";
    if (!has_subcommand && !has_command && !trace.pid) problem = "what shall be traced? Give -p PID or -- COMMAND (--help shows examples)";
    for (std::string* socket : {&trace.socket, &start.trace.socket, &control.socket}) take_environment(*socket);
    if (diff.pid) take_environment(diff.socket);
    if (!problem && diff_command->parsed()) problem = diff_problem(diff);
    for (TraceOptions* traced : {&trace, &start.trace}) traced->threads |= traced->view.by == GroupBy::thread;
    if (!problem && top.files.size() > 1 && !top.replay) problem = "top shows one snapshot; --replay shows several, one after another";
    if (!problem && stats.view.order == Order::diff) problem = "--sort diff wants two snapshots: use diff";
    if (problem) {
        std::fprintf(stderr, "memtrace-bpf: %s\n", problem);
        return 2;
    }
    const Result<void> views[] = {
        check(trace.view), check(start.trace.view), check(top.view), check(stats.view, stats.report), check(diff.view, diff.report),
        check_growth(diff)};
    if (leaks_command->parsed()) {
        leaks.trace.command = std::move(trace.command);
        if (Result<void> taken = take_leaks_words(leaks, leaks_command->get_option("WORDS")->results()); !taken) return wrong(taken.error());
        if (Result<void> sense = check(leaks.trace.view); !sense) return wrong(sense.error());
        return Options(leaks);
    }
    for (const Result<void>& sense : views)
        if (!sense) return wrong(sense.error());
    if (stats_command->parsed()) return Options(stats);
    if (top_command->parsed()) return Options(top);
    if (diff_command->parsed()) return Options(diff);
    if (probes_command->parsed()) return Options(probes);
    if (doctor_command->parsed()) return Options(DoctorOptions{});
    if (export_command->parsed()) return Options(exported);
    if (import_command->parsed()) return Options(imported);
    if (start_command->parsed()) return Options(start);
    if (has_subcommand && !control.pid && control.socket.empty()) {
        std::fprintf(stderr, "memtrace-bpf: which trace? Give -p PID of the process that is traced, or --socket PATH\n");
        return 2;
    }
    if (has_subcommand) return Options(control);
    return Options(trace);
}

}  // namespace memtrace::cli
