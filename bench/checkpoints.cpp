// How long a checkpoint holds the target, and what one of a large trace costs.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "format/pprof.hpp"
#include "loader/session.hpp"
#include "measurements.hpp"
#include "reader/collector.hpp"
#include "subject.hpp"

namespace memtrace::bench {
namespace {

constexpr std::uint64_t blocks = 1'000'000, sites = 100'000;
constexpr std::size_t repetitions = 100;

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point begin) { return std::chrono::duration<double, std::milli>(Clock::now() - begin).count(); }

}  // namespace

Result<void> measure_checkpoints(const Calibration& calibration, std::vector<Figure>& figures) {
    Subject subject({"build/bench-sites", std::to_string(sites)});
    if (subject.pid() < 0) return Error{"cannot start build/bench-sites"};
    Result<Target> target = Target::open(subject.pid());
    if (!target) return std::move(target).error();
    SessionOptions options;
    options.frames = 40;  // two frames a level: enough to tell all stacks apart
    options.sites = std::uint32_t{1} << 17;
    Result<Session> session = Session::open(*std::move(target), calibration, options);
    if (!session) return std::move(session).error();
    if (Result<void> done = session->update(Loading::complete); !done) return done;
    Collector collector(*session);
    session->start();
    subject.run(std::to_string(blocks));

    std::vector<double> pauses, wholes;
    std::string found;
    for (std::size_t i = 0; i < repetitions; ++i) {
        const Clock::time_point begin = Clock::now();
        Collector::Reading reading = collector.begin(Detail::blocks);
        const Clock::time_point stopping = Clock::now();
        Result<std::shared_ptr<void>> held = session->hold();
        if (!held) return std::move(held).error();
        collector.copy(reading);
        held->reset();
        pauses.push_back(ms_since(stopping));
        const Snapshot snapshot = collector.finish(reading);
        wholes.push_back(ms_since(begin));
        std::uint64_t live = 0;
        for (const Site& site : snapshot.sites) live += site.counters.live_blocks();
        found = fmt::format("{} blocks from {} sites", live, snapshot.sites.size());
    }
    std::sort(pauses.begin(), pauses.end());
    std::sort(wholes.begin(), wholes.end());
    figures.push_back({"checkpoint: pause at 10^5 sites and 10^6 live blocks, p50", "ms", pauses[repetitions / 2], 20, found});
    figures.push_back({"checkpoint: pause at 10^5 sites and 10^6 live blocks, p99", "ms", pauses[repetitions * 99 / 100], 20, ""});
    figures.push_back({"checkpoint: until the snapshot is there, p50", "ms", wholes[repetitions / 2], {}, ""});
    return session->stop();
}

}  // namespace memtrace::bench
