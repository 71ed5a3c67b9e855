// The options of a trace, and of `probes`.
#include "memtrace.h"
#include "options_parts.hpp"
#include "probes/marks.hpp"

namespace memtrace::cli {

void add_trace_options(CLI::App& app, TraceOptions& trace) {
    app.add_option("-p,--pid", trace.pid, "Process to trace")->check(between(1, INT32_MAX))->type_name("PID");
    app.add_option("-i,--interval", trace.interval_s, "Seconds between two displays")
        ->check(between(0.05, 86400.0))
        ->capture_default_str()
        ->type_name("SECONDS");
    app.add_option("-n,--rows", trace.rows, "Rows of the display")->check(between(1U, 100000U))->capture_default_str()->type_name("ROWS");
    add_view_options(app, trace.view);
    app.add_flag("--follow", trace.follow, "Trace the processes it makes, too: children with a copy of its blocks, programs they execute");
    app.add_flag("--threads", trace.threads, "Keep threads apart: each has lines of its own");
    app.add_option("--mark", trace.marks, "Keep what is held before and after each call of a function: NAME, LIB:NAME or LIB+0xOFFSET; repeatable")
        ->check([](const std::string& text) {
            const Result<WantedMark> mark = parse_mark(text);
            return mark ? std::string() : mark.error().what + " (" + mark.error().hint + ")";
        })
        ->allow_extra_args(false)
        ->type_name("FUNCTION");
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

void add_probes_options(CLI::App& app, ProbesOptions& probes) {
    app.add_option("-p,--pid", probes.pid, "Process")->required()->check(between(1, INT32_MAX))->type_name("PID");
    app.add_option("--seconds", probes.seconds, "Count hits for this long; 0: only plan, touch nothing")
        ->check(between(0.0, 3600.0))
        ->capture_default_str()
        ->type_name("SECONDS");
    app.add_flag_callback(
        "--no-redirect", [&probes] { probes.redirect = false; }, "As when tracing");
}

}  // namespace memtrace::cli
