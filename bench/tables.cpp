// What the kernel's tables and their reading cost.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "format/pprof.hpp"
#include "loader/session.hpp"
#include "measurements.hpp"
#include "model/statistics.hpp"
#include "reader/collector.hpp"
#include "subject.hpp"

namespace memtrace::bench {
namespace {

constexpr std::uint64_t blocks = 1'000'000;
constexpr int repetitions = 5;

template <typename Work>
double best_ms(Work work) {
    double best = 1e12;
    for (int i = 0; i < repetitions; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        work();
        best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    return best;
}

}  // namespace

Result<void> measure_tables(const Calibration& calibration, std::vector<Figure>& figures) {
    Subject subject({"build/bench-sites"});
    if (subject.pid() < 0) return Error{"cannot start build/bench-sites"};
    Result<Target> target = Target::open(subject.pid());
    if (!target) return std::move(target).error();
    SessionOptions options;
    options.frames = 32;  // two frames a level: enough to tell all stacks apart
    options.live_blocks = blocks;
    Result<Session> session = Session::open(*std::move(target), calibration, options);
    if (!session) return std::move(session).error();
    if (Result<void> done = session->update(Loading::complete); !done) return done;
    Collector collector(*session);
    session->start();
    subject.run(std::to_string(blocks));

    const Snapshot snapshot = collector.snapshot();
    std::uint64_t live = 0;
    for (const Site& site : snapshot.sites) live += site.counters.live_blocks();
    const std::string found = fmt::format("{} blocks of {} from {} sites", live, blocks, snapshot.sites.size());
    const double table_bytes = static_cast<double>(session->kernel().live().size_bytes());
    figures.push_back({"kernel memory a live block, table full", "B", table_bytes / static_cast<double>(live), 32, found});

    std::uint64_t sum = 0;
    figures.push_back({"reading all counters, 16 384 sites", "ms", best_ms([&] {
                           for (const mt_site& site : session->kernel().sites())
                               if (site.key) sum += site.allocated_bytes - site.freed_bytes;
                       }),
                       10, "bytes live by counters: " + std::to_string(sum / repetitions)});
    figures.push_back({"state of the top from counters to sorted lines, 16 384 sites",
                       "ms",
                       best_ms([&] {
                           const Snapshot now = collector.snapshot();
                           (void)statistics(now);
                       }),
                       {},
                       ""});
    figures.push_back(
        {"state with sizes and ages of 10^6 live blocks, 16 384 sites", "ms", best_ms([&] { (void)collector.snapshot(Detail::blocks); }), 150, ""});
    const std::string path = "build/bench.pb.gz";
    figures.push_back({"full snapshot, 10^6 live blocks, 16 384 sites of 32 frames, written", "ms",
                       best_ms([&] { (void)write_snapshot(collector.snapshot(Detail::blocks), path); }), 300, ""});
    unlink(path.c_str());
    return session->stop();
}

}  // namespace memtrace::bench
