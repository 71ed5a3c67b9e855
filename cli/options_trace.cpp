// The options of a trace, and of `probes`.
#include <cctype>
#include <charconv>
#include <string_view>

#include "memtrace.h"
#include "options_parts.hpp"
#include "probes/hook_list.hpp"
#include "probes/marks.hpp"

namespace memtrace::cli {
namespace {

CLI::Option* add_size(CLI::App& app, const char* name, std::function<void(std::uint64_t)> take, const char* description) {
    const auto wrong = [](const std::string& text) { return parse_size(text) ? std::string() : "\"" + text + "\" is no size such as 200MiB"; };
    return app
        .add_option_function<std::string>(
            name, [take](const std::string& text) { take(*parse_size(text)); }, description)
        ->check(CLI::Validator(wrong, ""))
        ->type_name("SIZE");
}

void add_prefix_option(CLI::App& app, std::vector<std::string>& prefixes) {
    app.add_option("--allocator-prefix", prefixes,
                   "Also trace an allocator whose functions are called PREFIXmalloc, PREFIXfree, ... (known: je_, _rjem_, mi_, tc_); repeatable")
        ->check([](const std::string& text) {
            return is_allocator_prefix(text) ? std::string() : "\"" + text + "\" cannot be the beginning of a function's name";
        })
        ->allow_extra_args(false)
        ->type_name("PREFIX");
}

void add_gate_options(CLI::App& app, TraceOptions& trace) {
    add_size(
        app, "--fail-over", [&trace](std::uint64_t bytes) { trace.fail_over = bytes; },
        "Exit status 3 when the traced memory was ever more than this");
    add_size(
        app, "--fail-growth", [&trace](std::uint64_t bytes) { trace.fail_growth = bytes; },
        "Exit status 3 when it grew by more from the first checkpoint to the last, or, without two, from start to end");
    app.add_option("--summary", trace.summary, "Write totals, checkpoints and verdicts as JSON at the end; - is standard output")->type_name("FILE");
}

void add_checkpoint_options(CLI::App& app, TraceOptions& trace) {
    add_size(
        app, "--checkpoint-memory", [&trace](std::uint64_t bytes) { trace.checkpoint_memory = bytes; },
        "Keep checkpoints in memory up to this size, then on disk")
        ->default_str("64MiB");
    app.add_option("--checkpoint-dir", trace.checkpoint_folder, "On which disk: the folder (default: $TMPDIR, else /var/tmp)")->type_name("FOLDER");
    app.add_option("--socket", trace.socket, "Where commands reach this trace (also: MEMTRACE_BPF_SOCKET; default: /run/memtrace-bpf/PID.sock)")
        ->type_name("PATH");
}

}  // namespace

std::optional<std::uint64_t> parse_size(const std::string& text) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || !(number >= 0)) return std::nullopt;
    std::string unit(end, text.data() + text.size());
    unit.erase(0, unit.find_first_not_of(' '));
    for (char& c : unit) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    constexpr std::string_view powers = "kmgt";
    if (!unit.empty() && unit != "b") {
        const std::size_t power = powers.find(unit.front());
        const std::string rest = unit.substr(1);
        if (power == std::string_view::npos || (!rest.empty() && rest != "b" && rest != "ib")) return std::nullopt;
        number *= static_cast<double>(std::uint64_t{1} << 10 * (power + 1));
    }
    if (number >= 0x1p63) return std::nullopt;
    return static_cast<std::uint64_t>(number);
}

void add_capture_options(CLI::App& app, TraceOptions& trace) {
    app.add_option("-p,--pid", trace.pid, "Process to trace")->check(between(1, INT32_MAX))->type_name("PID");
    app.add_flag("--follow", trace.follow, "Trace the processes it makes, too: children with a copy of its blocks, programs they execute");
    app.add_flag("--threads", trace.threads, "Keep threads apart: each has lines of its own");
    app.add_flag("--debuginfod", trace.debuginfod, "Fetch debug files that are missing from the servers in $DEBUGINFOD_URLS, beside the trace");
    app.add_option("--duration", trace.duration_s, "End after this time (default: Ctrl-C or the target's end)")
        ->check(between(0.0, 1e9))
        ->type_name("SECONDS");
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
    add_prefix_option(app, trace.allocator_prefixes);
}

void add_trace_options(CLI::App& app, TraceOptions& trace) {
    add_capture_options(app, trace);
    app.add_option("-i,--interval,--top-every", trace.interval_s, "Seconds between two displays")
        ->check(between(0.05, 86400.0))
        ->capture_default_str()
        ->type_name("SECONDS");
    app.add_option("-n,--rows", trace.rows, "Rows of the display")->check(between(1U, 100000U))->capture_default_str()->type_name("ROWS");
    add_view_options(app, trace.view);
    add_row_options(app, trace.view);
    app.add_option("--mark", trace.marks, "Keep what is held before and after each call of a function: NAME, LIB:NAME or LIB+0xOFFSET; repeatable")
        ->check([](const std::string& text) {
            const Result<WantedMark> mark = parse_mark(text);
            return mark ? std::string() : mark.error().what + " (" + mark.error().hint + ")";
        })
        ->allow_extra_args(false)
        ->type_name("FUNCTION");
    app.add_option("-o,--output", trace.output, "Write a snapshot to FILE at the end")->type_name("FILE");
    app.add_option("--snapshot-every", trace.snapshot_every_s, "Write a snapshot periodically")->check(between(0.05, 1e9))->type_name("SECONDS");
    app.add_option("--snapshot-template", trace.snapshot_template, "Its file name; $pid, $timestamp, $counter are replaced")
        ->capture_default_str()
        ->type_name("NAME");
    app.add_option("--snapshot-keep", trace.snapshot_keep, "Keep only the newest N of them (default: all)")
        ->check(between(1U, 1000000U))
        ->type_name("N");
    app.add_option_function<std::string>(
           "--compare", [&trace](const std::string& with) { trace.compare_first = with == "first"; },
           "What CHANGE is since: the display before, or the first")
        ->check(CLI::IsMember({"previous", "first"}).description(""))
        ->default_str("previous")
        ->type_name("previous|first");
    app.add_flag("--plain", trace.plain, "Plain text on a terminal, too, instead of the full-screen display");
    add_gate_options(app, trace);
    add_checkpoint_options(app, trace);
}

void add_start_options(CLI::App& app, StartOptions& start) {
    add_trace_options(app, start.trace);
    app.get_option("--pid")->required();
}

void add_probes_options(CLI::App& app, ProbesOptions& probes) {
    app.add_option("-p,--pid", probes.pid, "Process")->required()->check(between(1, INT32_MAX))->type_name("PID");
    app.add_option("--seconds", probes.seconds, "Count hits for this long; 0: only plan, touch nothing")
        ->check(between(0.0, 3600.0))
        ->capture_default_str()
        ->type_name("SECONDS");
    app.add_flag_callback(
        "--no-redirect", [&probes] { probes.redirect = false; }, "As when tracing");
    add_prefix_option(app, probes.allocator_prefixes);
}

}  // namespace memtrace::cli
