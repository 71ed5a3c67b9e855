#include "options.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstring>

#include "memtrace.h"
#include "probes/plan.hpp"

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

// A range that is enforced but does not clutter the help.
template <typename T>
CLI::Validator between(T least, T most) {
    return CLI::Range(least, most).description("");
}

constexpr const char* examples = R"(
Examples:
  sudo memtrace-bpf -p 4242                         top of the lines that hold memory, every 5 s
  sudo memtrace-bpf -p 4242 --duration 60 -o a.pb.gz   trace a minute, then save a snapshot
  sudo memtrace-bpf --follow -p 4242                a prefork server and all of its workers
  sudo memtrace-bpf --frames 16 -- ./server --port 80  trace a program from its first instruction on
  memtrace-bpf diff before.pb.gz after.pb.gz        which lines grew (needs no root)
  go tool pprof -http : a.pb.gz                     snapshots are pprof profiles

Sizes are binary (1 KiB = 1024 B). Blocks older than the trace are not known; their frees are counted as untracked.)";

DomainFilter domain_filter(std::string word) {
    const bool inclusive = !word.starts_with('-');
    if (word.starts_with('+') || word.starts_with('-')) word.erase(0, 1);
    return {inclusive, std::move(word)};
}

std::string domain_names() {
    std::string names;
    for (unsigned domain = 0; domain < MT_DOMAIN_COUNT; ++domain) names += (domain ? ", " : "") + std::string(domain_name(domain));
    return names;
}

// What is wrong with the word; empty: nothing.
std::string unknown_domain(const std::string& word) {
    const std::string wanted = domain_filter(word).domain;
    for (unsigned domain = 0; domain < MT_DOMAIN_COUNT; ++domain) {
        if (wanted == domain_name(domain)) return {};
    }
    return "there is no domain \"" + wanted + "\"; there are " + domain_names();
}

// What is shown of the blocks that are known: the same for a trace and for its snapshots.
void add_view_options(CLI::App& app, View& view) {
    app.add_option_function<std::vector<std::string>>(
           "--domain",
           [&view](const std::vector<std::string>& words) {
               for (const std::string& word : words) view.filters.push_back(domain_filter(word));
           },
           "Show only blocks of this domain (" + domain_names() + "); with -, all but these; repeatable")
        ->check(CLI::Validator(unknown_domain, ""))
        ->allow_extra_args(false)  // one value each: the next word may be a file
        ->type_name("[+-]NAME");
    app.add_option_function<std::string>(
           "--lines", [&view](const std::string& kind) { view.lines = kind == "native" ? Lines::native : Lines::python; },
           "Show native blocks (malloc, mmap) below Python code by their Python line or by their native caller")
        ->check(CLI::IsMember({"python", "native"}).description(""))
        ->default_str("python")
        ->type_name("python|native");
}

void add_trace_options(CLI::App& app, TraceOptions& trace) {
    app.add_option("-p,--pid", trace.pid, "Process to trace")->check(between(1, INT32_MAX))->type_name("PID");
    app.add_option("-i,--interval", trace.interval_s, "Seconds between two displays")
        ->check(between(0.05, 86400.0))
        ->capture_default_str()
        ->type_name("SECONDS");
    app.add_option("-n,--rows", trace.rows, "Rows of the display")->check(between(1U, 100000U))->capture_default_str()->type_name("ROWS");
    add_view_options(app, trace.view);
    app.add_flag("--follow", trace.follow, "Trace the processes it makes, too: children with a copy of its blocks, programs they execute");
    app.add_option("--duration", trace.duration_s, "End after this time (default: Ctrl-C or the target's end)")
        ->check(between(0.0, 1e9))
        ->type_name("SECONDS");
    app.add_option("-o,--output", trace.output, "Write a snapshot to FILE at the end")->type_name("FILE");
    app.add_option("--snapshot-every", trace.snapshot_every_s, "Write a snapshot periodically")->check(between(0.05, 1e9))->type_name("SECONDS");
    app.add_option("--snapshot-template", trace.snapshot_template, "Its file name; $pid, $timestamp, $counter are replaced")
        ->capture_default_str()
        ->type_name("NAME");
    app.add_option("--frames", trace.frames, "Stack frames kept of each kind (Python, native)")
        ->check(between(1, MT_MAX_FRAMES))
        ->capture_default_str()
        ->type_name("N");
    app.add_option("--live-blocks", trace.live_blocks,
                   "Room for this many live blocks, 32 bytes of kernel memory each (default: by the target's size)")
        ->check(between(std::uint64_t{1}, std::uint64_t{1} << 32))
        ->type_name("N");
    app.add_option("--sites", trace.sites, "Room for this many distinct stacks (default: 131072, fewer with many frames)")
        ->check(between(1U, 1U << 26))
        ->type_name("N");
    app.add_option("--max-overhead", trace.max_overhead, "Remove the costliest probes while tracing takes more of a core (default: never)")
        ->check(between(0.1, 6400.0))
        ->type_name("PERCENT");
    app.add_flag_callback(
        "--no-redirect", [&trace] { trace.redirect = false; }, "Write nothing into the target: CPython's inlined allocations stay unseen");
}

}  // namespace

std::variant<Options, int> parse_options(int argc, char** argv) {
    TraceOptions trace;
    trace.snapshot_template = "memtrace-$pid-$counter.pb.gz";
    StatsOptions stats;
    DiffOptions diff;
    ProbesOptions probes;

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
    stats_command->add_option("FILE", stats.file, "Snapshot")->required();
    stats_command->add_option("-n,--rows", stats.rows, "Only the first ROWS lines (default: all)")->type_name("ROWS");
    add_view_options(*stats_command, stats.view);
    CLI::App* diff_command = app.add_subcommand("diff", "What changed between two snapshots, by line");
    diff_command->add_option("OLD", diff.before, "Earlier snapshot")->required();
    diff_command->add_option("NEW", diff.after, "Later snapshot")->required();
    diff_command->add_option("-n,--rows", diff.rows, "Only the first ROWS lines (default: all)")->type_name("ROWS");
    add_view_options(*diff_command, diff.view);
    CLI::App* probes_command = app.add_subcommand("probes", "Where probes stand in a process, what a hit costs, how often they are hit");
    probes_command->add_option("-p,--pid", probes.pid, "Process")->required()->check(between(1, INT32_MAX))->type_name("PID");
    probes_command->add_option("--seconds", probes.seconds, "Count hits for this long; 0: only plan, touch nothing")
        ->check(between(0.0, 3600.0))
        ->capture_default_str()
        ->type_name("SECONDS");
    probes_command->add_flag_callback(
        "--no-redirect", [&probes] { probes.redirect = false; }, "As when tracing");
    CLI::App* doctor_command = app.add_subcommand("doctor", "What this kernel and user can do, and what that limits");

    app.footer(examples);  // after the subcommands, which would inherit it

    try {
        app.parse(static_cast<int>(separator - argv), argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    const bool has_subcommand = !app.get_subcommands().empty();
    const char* problem = nullptr;
    const std::vector<CLI::Option*> set = app.get_options([](const CLI::Option* option) { return option->count() > 0; });
    if (has_subcommand && !set.empty()) problem = "a subcommand takes its options behind it, not before";
    if (has_subcommand && (has_command || trace.pid)) problem = "a subcommand takes neither -- COMMAND nor a -p before it";
    if (!has_subcommand && has_command && trace.pid) problem = "give either -p PID or -- COMMAND, not both";
    if (!has_subcommand && has_command && trace.command.empty()) problem = "-- must be followed by a command";
    if (!has_subcommand && !has_command && !trace.pid) problem = "what shall be traced? Give -p PID or -- COMMAND (--help shows examples)";
    if (problem) {
        std::fprintf(stderr, "memtrace-bpf: %s\n", problem);
        return 2;
    }
    if (stats_command->parsed()) return Options(stats);
    if (diff_command->parsed()) return Options(diff);
    if (probes_command->parsed()) return Options(probes);
    if (doctor_command->parsed()) return Options(DoctorOptions{});
    return Options(trace);
}

}  // namespace memtrace::cli
