// `memtrace-bpf probes -p PID`: the plan, what a hit costs, and which probes are hot.
#include <fmt/format.h>

#include <poll.h>

#include <cstdio>

#include "commands.hpp"
#include "format/text.hpp"
#include "loader/requirements.hpp"
#include "loader/session.hpp"
#include "signals.hpp"

namespace memtrace::cli {
namespace {

void print_plan(const Plan& plan, const std::vector<std::uint64_t>& hits) {
    fmt::print("{:<15} {:<20} {:<22} {:<15} {:>7} {:>10}  {}\n", "HOOK", "PLACE", "INSTRUCTION", "METHOD", "NS/HIT", "HITS", "FILE");
    for (std::size_t i = 0; i < plan.probes.size(); ++i) {
        const PlannedProbe& probe = plan.probes[i];
        fmt::print("{:<15} {:<20} {:<22} {:<15} {:>7.0f} {:>10}  {}+{:#x}\n", probe.hook, probe.symbol, probe.site.instruction,
                   probe.site.emulated ? "emulated" : "single-stepped", probe.site.cost_ns, hits.empty() ? "-" : std::to_string(hits[i]),
                   printable(probe.file), probe.offset);
    }
    if (!plan.redirects.empty())
        fmt::print("\nredirected pointers of CPython's allocator tables (put back at the end):\n{:<15} {:>18} {:>18} {:>18}\n", "TABLE", "POINTER AT",
                   "ORIGINAL", "WHILE TRACING");
    for (const PlannedRedirect& redirect : plan.redirects)
        fmt::print("{:<15} {:#18x} {:#18x} {:#18x}\n", redirect.name, redirect.slot, redirect.original, redirect.target);
    for (const std::string& note : plan.notes) fmt::print("note: {}\n", printable(note));
}

Result<std::vector<std::uint64_t>> count_hits(Session& session, const Signals& signals, double seconds) {
    if (Result<void> done = session.update(Loading::complete); !done) return std::move(done).error();
    session.start();
    pollfd ends[] = {{session.target().pidfd(), POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    poll(ends, std::size(ends), static_cast<int>(seconds * 1000));
    std::vector<std::uint64_t> hits = session.kernel().hits(session.plan().probes.size());
    if (Result<void> done = session.stop(); !done) return std::move(done).error();
    return hits;
}

}  // namespace

Result<int> probes(const ProbesOptions& options) {
    Result<Signals> signals = Signals::block();
    if (!signals) return std::move(signals).error();
    if (Result<void> done = require_all(); !done) return std::move(done).error();
    Result<Calibration> calibration = calibrate();
    if (!calibration) return std::move(calibration).error();
    Result<Target> target = Target::open(options.pid);
    if (!target) return std::move(target).error();
    if (options.seconds == 0) {
        std::vector<Module> modules;
        Result<Plan> plan = make_plan(*target, modules, calibration->costs, options.redirect, Loading::complete);
        if (!plan) return std::move(plan).error();
        print_plan(*plan, {});
        return 0;
    }
    Result<Session> session = Session::open(*std::move(target), *calibration, {.redirect = options.redirect});
    if (!session) return std::move(session).error();
    Result<std::vector<std::uint64_t>> hits = count_hits(*session, *signals, options.seconds);
    if (!hits) return std::move(hits).error();
    print_plan(session->plan(), *hits);
    fmt::print("\nattached by {}, counted for {:g} s\n", session->method() == AttachMethod::uprobe_multi ? "uprobe_multi" : "perf events",
               options.seconds);
    return 0;
}

}  // namespace memtrace::cli
