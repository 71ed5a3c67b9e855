// What tracing adds to the target, as ratios to the floor within one run.
#include <fmt/format.h>

#include <algorithm>

#include "configurations.hpp"
#include "measurements.hpp"
#include "subject.hpp"

namespace memtrace::bench {
namespace {

constexpr int rounds = 4;
constexpr int runs_a_round = 3;

double best_of(Subject& subject, const std::string& line, double best, int runs) {
    for (int i = 0; i < runs; ++i) best = std::min(best, subject.run(line));
    return best;
}

// Attaches, times, detaches.
template <typename Attach>
Result<void> time_with(Attach attach, Subject& subject, const std::string& line, int runs, double& best) {
    const Attached attached = attach();
    if (!attached) return attached.error();
    best = best_of(subject, line, best, runs);
    return {};
}

}  // namespace

Result<void> measure_pairs(const Calibration& calibration, std::vector<Figure>& figures) {
    Subject subject({"build/bench-pairs"});
    if (subject.pid() < 0) return Error{"cannot start build/bench-pairs"};
    const std::string line = "200000 20", short_line = "20000 20";  // pairs, below 20 calls; the baseline is slow
    double none = 1e12, floor = 1e12, one = 1e12, sixteen = 1e12, memleak = 1e12;
    const int pid = subject.pid();
    for (int round = 0; round < rounds; ++round) {
        none = best_of(subject, line, none, runs_a_round);
        if (auto done = time_with([&] { return attach_floor(pid, calibration); }, subject, line, runs_a_round, floor); !done) return done;
        if (auto done = time_with([&] { return attach_tracer(pid, calibration, 1); }, subject, line, runs_a_round, one); !done) return done;
        if (auto done = time_with([&] { return attach_tracer(pid, calibration, 16); }, subject, line, runs_a_round, sixteen); !done) return done;
        if (auto done = time_with([&] { return attach_memleak(pid, calibration); }, subject, short_line, runs_a_round, memleak); !done) return done;
    }
    const auto detail = [&](double traced, double against) {
        return fmt::format("{:.0f} ns / {:.0f} ns added a pair", traced - none, against - none);
    };
    figures.push_back({"malloc+free pair, caller line, added / floor", "", (one - none) / (floor - none), 1.2, detail(one, floor)});
    figures.push_back({"malloc+free pair, 16 frames, added / floor", "", (sixteen - none) / (floor - none), 1.7, detail(sixteen, floor)});
    figures.push_back({"malloc+free pair, caller line, added / memleak's design", "", (one - none) / (memleak - none), 0.2, detail(one, memleak)});
    return {};
}

Result<void> measure_contention(const Calibration& calibration, std::vector<Figure>& figures) {
    Subject subject({"build/bench-pairs_threads"});
    if (subject.pid() < 0) return Error{"cannot start build/bench-pairs_threads"};
    const std::string lines[] = {"200000 1", "200000 2"};  // pairs a thread, threads
    double none[] = {1e12, 1e12}, floor[] = {1e12, 1e12}, traced[] = {1e12, 1e12};
    const int pid = subject.pid();
    for (int round = 0; round < rounds; ++round) {
        for (int i = 0; i < 2; ++i) none[i] = best_of(subject, lines[i], none[i], runs_a_round);
        for (int i = 0; i < 2; ++i) {
            if (auto done = time_with([&] { return attach_floor(pid, calibration); }, subject, lines[i], runs_a_round, floor[i]); !done) return done;
            if (auto done = time_with([&] { return attach_tracer(pid, calibration, 1); }, subject, lines[i], runs_a_round, traced[i]); !done)
                return done;
        }
    }
    const auto figure = [&](const char* name, const double* with, std::optional<double> at_most) {
        const double one = with[0] - none[0], two = with[1] - none[1];
        figures.push_back({name, "", two / one, at_most, fmt::format("{:.0f} ns / {:.0f} ns added a pair", two, one)});
    };
    figure("malloc+free pair, 2 threads at one line / 1 thread", traced, 1.3);
    figure("malloc+free pair, 2 threads / 1 thread, empty probes", floor, {});
    return {};
}

Result<void> measure_python(const Calibration& calibration, std::vector<Figure>& figures) {
    const std::string python = "/usr/bin/python3.11";
    Subject subject({python, "bench/workloads/churn.py"});
    if (subject.pid() < 0) return Error{"cannot start " + python + " (the figures are for Debian's)"};
    Subject counting({python, "-X", "tracemalloc=1", "bench/workloads/churn.py"});
    const std::string shallow = "1", deep = "30";  // calls
    struct {
        double none = 1e12, floor = 1e12, traced = 1e12;
        [[nodiscard]] double ratio() const { return (traced - none) / (floor - none); }
        [[nodiscard]] std::string detail() const { return fmt::format("{:.2f} s / {:.2f} s added to {:.2f} s", traced - none, floor - none, none); }
    } one, many;
    double tracemalloc = 1e12;
    const int pid = subject.pid();
    for (int round = 0; round < rounds; ++round) {
        one.none = best_of(subject, shallow, one.none, 1);
        many.none = best_of(subject, deep, many.none, 1);
        if (auto done = time_with([&] { return attach_floor(pid, calibration); }, subject, shallow, 1, one.floor); !done) return done;
        if (auto done = time_with([&] { return attach_tracer(pid, calibration, 1); }, subject, shallow, 1, one.traced); !done) return done;
        if (auto done = time_with([&] { return attach_floor(pid, calibration); }, subject, deep, 1, many.floor); !done) return done;
        if (auto done = time_with([&] { return attach_tracer(pid, calibration, 25); }, subject, deep, 1, many.traced); !done) return done;
        if (round < 2) tracemalloc = best_of(counting, shallow, tracemalloc, 1);
    }
    figures.push_back({"Python object churn, newest frame, added / floor", "", one.ratio(), 1.4, one.detail()});
    figures.push_back({"Python object churn, 25 frames of 30, added / floor", "", many.ratio(), 2.3, many.detail()});
    figures.push_back({"Python object churn, total / total under tracemalloc.start(1)",
                       "",
                       one.traced / tracemalloc,
                       {},
                       fmt::format("{:.2f} s / {:.2f} s", one.traced, tracemalloc)});
    return {};
}

}  // namespace memtrace::bench
