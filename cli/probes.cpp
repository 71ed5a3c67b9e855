// `memtrace-bpf probes -p PID`: the plan, what a hit costs, and which probes are hot.
#include <fmt/format.h>

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>

#include "commands.hpp"
#include "format/text.hpp"
#include "loader/requirements.hpp"
#include "loader/session.hpp"
#include "signals.hpp"

namespace memtrace::cli {
namespace {

void print_plan(const Plan& plan, const std::vector<std::uint64_t>& hits) {
    // Operators have long names.
    std::size_t hook = 15, place = 20, method = 15;
    for (const PlannedProbe& probe : plan.probes) {
        hook = std::max(hook, probe.hook.size());
        place = std::max(place, probe.symbol.size());
        method = std::max(method, method_of(probe).size());
    }
    fmt::print("{:<{}} {:<{}} {:<22} {:<{}} {:>7} {:>10}  {}\n", "HOOK", hook, "PLACE", place, "INSTRUCTION", "METHOD", method, "NS/HIT", "HITS",
               "FILE");
    for (std::size_t i = 0; i < plan.probes.size(); ++i) {
        const PlannedProbe& probe = plan.probes[i];
        fmt::print("{:<{}} {:<{}} {:<22} {:<{}} {:>7.0f} {:>10}  {}+{:#x}\n", probe.hook, hook, probe.symbol, place, probe.site.instruction,
                   method_of(probe), method, probe.site.cost_ns, hits.empty() ? "-" : std::to_string(hits[i]), printable(probe.file), probe.offset);
    }
    for (const PlannedPython& python : plan.pythons) {
        fmt::print("\nallocator tables of CPython {} in {} (what is redirected is put back at the end):\n{:<12} {:>16} {:>16} {:>16}  {}\n",
                   python.version, printable(python.file), "ENTRY", "AT", "FUNCTION", "WHILE TRACING", "HOW ITS CALLS ARE SEEN");
        for (const PlannedEntry& entry : python.entries)
            fmt::print("{:<12} {:#16x} {:#16x} {:#16x}  {}\n", entry.name, entry.slot, entry.meaning, entry.during, entry.how);
    }
    for (const std::string& note : plan.notes) fmt::print("note: {}\n", printable(note));
}

using Clock = std::chrono::steady_clock;

// Until the time is up, the process has ended or a signal asks us to. (Stopping its threads to change pointers raises SIGCHLD.)
void wait_while_counting(const Session& session, Signals& signals, double seconds) {
    const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    pollfd ends[] = {{session.target().pidfd(), POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    for (Clock::time_point now = Clock::now(); now < end; now = Clock::now()) {
        poll(ends, std::size(ends), static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(end - now).count()));
        if (ends[0].revents) return;
        while (const std::optional<int> signal = signals.next())
            if (*signal != SIGCHLD) return;
    }
}

Result<std::vector<std::uint64_t>> count_hits(Session& session, Signals& signals, double seconds) {
    if (Result<void> done = session.update(Loading::complete); !done) return std::move(done).error();
    session.start();
    wait_while_counting(session, signals, seconds);
    std::vector<std::uint64_t> hits = session.kernel().hits(session.probes().size());
    if (Result<void> done = session.stop(); !done) return std::move(done).error();
    return hits;
}

// How often each hook was hit.
std::map<std::string, std::uint64_t> by_hook(const Plan& plan, const std::vector<std::uint64_t>& hits) {
    std::map<std::string, std::uint64_t> sums;
    for (std::size_t i = 0; i < plan.probes.size(); ++i) sums[plan.probes[i].hook] += hits[i];
    return sums;
}

// Redirecting makes calls visible that are inlined otherwise. How many those are depends on the program: both ways are counted, one
// after the other, each for half of the time. As the program runs at different speeds meanwhile, the counts are set in relation to those
// of the functions that are seen either way.
constexpr std::uint64_t enough_hits = 1000;
void print_shares(const Plan& plan, const std::map<std::string, std::uint64_t>& without, const std::map<std::string, std::uint64_t>& with) {
    double work_without = 0, work_with = 0;
    const auto count = [](const std::map<std::string, std::uint64_t>& hits, const std::string& hook) {
        const auto found = hits.find(hook);
        return found == hits.end() ? 0.0 : static_cast<double>(found->second);
    };
    for (const PlannedProbe& probe : plan.probes) {
        if (!probe.redirect.empty()) continue;
        work_without += count(without, probe.hook);
        work_with += count(with, probe.hook);
    }
    if (work_without < enough_hits || work_with < enough_hits) return;
    for (const PlannedProbe& probe : plan.probes) {
        const double all = count(with, probe.hook) * work_without / work_with;
        if (probe.redirect.empty() || all < enough_hits) continue;
        fmt::print("without redirecting {}, about {:.1f} % of its calls would be seen\n", probe.hook,
                   std::min(100.0, 100 * count(without, probe.hook) / all));
    }
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
        Result<Plan> plan = make_plan(*target, modules, calibration->costs, {{options.redirect}, options.allocator_prefixes});
        if (!plan) return std::move(plan).error();
        print_plan(*plan, {});
        return 0;
    }
    std::map<std::string, std::uint64_t> without;
    if (options.redirect) {
        Result<Session> session = Session::open(*std::move(target), *calibration,
                                                {.redirect = false, .allocator_prefixes = options.allocator_prefixes});
        if (!session) return std::move(session).error();
        Result<std::vector<std::uint64_t>> hits = count_hits(*session, *signals, options.seconds / 2);
        if (!hits) return std::move(hits).error();
        without = by_hook(session->plan(), *hits);
        target = Error{"not open"};  // one tracer at a time
    }
    if (options.redirect) target = Target::open(options.pid);
    if (!target) return std::move(target).error();
    const double seconds = options.redirect ? options.seconds / 2 : options.seconds;
    Result<Session> session = Session::open(*std::move(target), *calibration,
                                            {.redirect = options.redirect, .allocator_prefixes = options.allocator_prefixes});
    if (!session) return std::move(session).error();
    Result<std::vector<std::uint64_t>> hits = count_hits(*session, *signals, seconds);
    if (!hits) return std::move(hits).error();
    print_plan(session->plan(), *hits);
    if (options.redirect) print_shares(session->plan(), without, by_hook(session->plan(), *hits));
    fmt::print("\nattached by {}, counted for {:g} s\n", session->method() == AttachMethod::uprobe_multi ? "uprobe_multi" : "perf events", seconds);
    return 0;
}

}  // namespace memtrace::cli
