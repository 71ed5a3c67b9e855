// What an interpreter that is already running notices of us, and how soon we know what is new in it.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include "format/pprof.hpp"
#include "loader/session.hpp"
#include "measurements.hpp"
#include "reader/collector.hpp"
#include "subject.hpp"

namespace memtrace::bench {
namespace {

using Clock = std::chrono::steady_clock;
const std::string python = "/usr/bin/python3.11";

double ms_since(Clock::time_point begin) { return std::chrono::duration<double, std::milli>(Clock::now() - begin).count(); }

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2), values.end());
    return values[values.size() / 2];
}

double worst(const std::vector<double>& values) { return *std::max_element(values.begin(), values.end()); }

// The program itself, its own output thrown away but for what it says on standard error.
class Tracer {
public:
    Tracer(pid_t target, std::vector<std::string> options) {
        options.insert(options.begin(), {"build/memtrace-bpf", "-p", std::to_string(target)});
        int from[2];
        if (pipe2(from, O_CLOEXEC) != 0) return;
        pid_ = fork();
        if (pid_ == 0) {
            const int quiet = open("/dev/null", O_WRONLY);
            dup2(quiet, STDOUT_FILENO);
            dup2(from[1], STDERR_FILENO);
            std::vector<char*> argv;
            argv.reserve(options.size() + 1);
            for (std::string& option : options) argv.push_back(option.data());
            argv.push_back(nullptr);
            execv(argv[0], argv.data());
            _exit(127);
        }
        close(from[1]);
        errors_ = fdopen(from[0], "r");
    }
    Tracer(const Tracer&) = delete;
    Tracer& operator=(const Tracer&) = delete;
    ~Tracer() {
        if (pid_ > 0) end();
        if (errors_) std::fclose(errors_);
    }
    /// Its first words, said when counting has begun; false when it says something else.
    bool wait_tracing() {
        char line[256] = "";
        return errors_ && std::fgets(line, sizeof line, errors_) && std::string_view(line).find("tracing pid") != std::string_view::npos;
    }
    /// As Ctrl-C does; whether it ended well.
    bool end() {
        kill(pid_, SIGINT);
        int status = 0;
        waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }

private:
    pid_t pid_ = -1;
    std::FILE* errors_ = nullptr;
};

bool knows(Collector& collector, const std::string& function) {
    const Snapshot snapshot = collector.snapshot();
    return std::any_of(snapshot.frames.begin(), snapshot.frames.end(), [&](const Frame& frame) { return snapshot.text(frame.function) == function; });
}

// From just before a new function runs to a snapshot that names it: the kernel's event, our waking up, the naming, the snapshot.
Result<void> measure_naming(const Calibration& calibration, Subject& subject, std::vector<Figure>& figures) {
    constexpr int functions = 100;
    Result<Target> target = Target::open(subject.pid());
    if (!target) return std::move(target).error();
    SessionOptions options;
    options.sites = 4096;  // each look through them counts
    Result<Session> session = Session::open(*std::move(target), calibration, options);
    if (!session) return std::move(session).error();
    if (Result<void> done = session->update(Loading::complete); !done) return done;
    Collector collector(*session);
    session->start();
    subject.run("warm_up");
    collector.consume();
    std::vector<double> end_to_end, ours;
    for (int i = 0; i < functions; ++i) {
        const std::string name = fmt::format("fresh_{}", i);
        subject.send(name);
        const Clock::time_point deadline = Clock::now() + std::chrono::seconds(5);
        double consumed_ms = 0;
        // The compiler's own stacks may be news as well, and come first.
        do {
            if (Clock::now() > deadline) return Error{"a new function was not named within 5 s"};
            pollfd news{session->kernel().poll_fd(), POLLIN, 0};
            poll(&news, 1, 1000);
            const Clock::time_point begin = Clock::now();
            collector.consume();
            consumed_ms = ms_since(begin);
        } while (!knows(collector, name));
        const Clock::time_point named = Clock::now();
        const double ran_ns = subject.receive();
        const auto named_ns = static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(named.time_since_epoch()).count());
        end_to_end.push_back((named_ns - ran_ns) / 1e6);
        ours.push_back(consumed_ms);
    }
    figures.push_back({"new code object, from its first block to a snapshot with its name", "ms", median(end_to_end), 1,
                       fmt::format("median of {}; worst {:.2f} ms; of it taking in the news {:.3f} ms, worst {:.2f} ms", functions, worst(end_to_end),
                                   median(ours), worst(ours))});
    return session->stop();
}

// At default capacities, by the real program.
Result<void> measure_variety(Subject& subject, std::vector<Figure>& figures) {
    constexpr int functions = 10'000, stacks = 100'000;
    const std::string path = "build/bench-variety.pb.gz";
    {
        Tracer tracer(subject.pid(), {"--frames", "8", "-o", path});
        if (!tracer.wait_tracing()) return Error{"the tracer did not begin"};
        subject.run(fmt::format("{}/{}", functions, stacks));
        if (!tracer.end()) return Error{"the tracer did not end well"};
    }
    const Result<Snapshot> snapshot = read_snapshot(path);
    unlink(path.c_str());
    if (!snapshot) return snapshot.error();
    std::string causes;
    std::uint64_t lost = 0, dropped = 0, found = 0, unknown = 0;
    for (const Loss& loss : snapshot->losses) {
        if (loss.lost && loss.count > 0) {
            lost += loss.count;
            causes += (causes.empty() ? "" : ", ") + loss.cause;
        }
        if (loss.cause == "events dropped") dropped = loss.count;
    }
    for (const Site& site : snapshot->sites) {
        const Frame& frame = snapshot->frame(site.frames.front());
        if (snapshot->text(frame.function).starts_with("leaf_")) ++found;
        if (frame.python && snapshot->text(frame.file) == "<unknown>") ++unknown;
    }
    figures.push_back({"10 000 new code objects, 100 000 new stacks: blocks lost", "", static_cast<double>(lost), 0, causes});
    figures.push_back({"the same: stacks missing or unnamed", "", static_cast<double>(stacks - std::min<std::uint64_t>(found, stacks) + unknown), 0,
                       fmt::format("{} found, {} unnamed, {} events dropped", found, unknown, dropped)});
    return {};
}

}  // namespace

Result<void> measure_first_sight(const Calibration& calibration, std::vector<Figure>& figures) {
    Subject subject({python, "bench/workloads/first_sight.py"});
    if (subject.pid() < 0) return Error{"cannot start " + python};
    if (Result<void> done = measure_naming(calibration, subject, figures); !done) return done;
    return measure_variety(subject, figures);
}

Result<void> measure_attach(const Calibration& calibration, std::vector<Figure>& figures) {
    constexpr int attaches = 10;
    Subject subject({python, "bench/workloads/gaps.py"});
    if (subject.pid() < 0) return Error{"cannot start " + python};
    std::vector<double> begun, gaps, undisturbed, held;
    for (int i = 0; i < attaches; ++i) {
        undisturbed.push_back(subject.run("1"));
        subject.send("1");  // busy while the whole of attaching and detaching goes on
        const Clock::time_point begin = Clock::now();
        Tracer tracer(subject.pid(), {});
        if (!tracer.wait_tracing()) return Error{"the tracer did not begin"};
        begun.push_back(ms_since(begin));
        if (!tracer.end()) return Error{"the tracer did not end well"};
        gaps.push_back(subject.receive());
    }
    for (int i = 0; i < attaches; ++i) {
        Result<Target> target = Target::open(subject.pid());
        if (!target) return std::move(target).error();
        subject.send("0.5");
        Result<Session> session = Session::open(*std::move(target), calibration, {});
        if (!session) return std::move(session).error();
        if (Result<void> done = session->update(Loading::complete); !done) return done;
        session->start();
        held.push_back(std::chrono::duration<double, std::milli>(session->pause()).count());
        if (Result<void> done = session->stop(); !done) return done;
        subject.receive();
    }
    figures.push_back({"attach to a running interpreter: program started to counting", "ms", median(begun), 300,
                       fmt::format("median of {}, its own core busy; worst {:.0f} ms", attaches, worst(begun))});
    figures.push_back({"attach: interpreter held still while its pointers change", "ms", worst(held), 5,
                       fmt::format("worst of {}, median {:.2f} ms", attaches, median(held))});
    figures.push_back({"attach and detach: longest gap the interpreter sees itself", "ms", median(gaps), 5,
                       fmt::format("median of {}, worst {:.2f} ms; untraced {:.2f} ms, worst {:.2f} ms", attaches, worst(gaps), median(undisturbed),
                                   worst(undisturbed))});
    return {};
}

}  // namespace memtrace::bench
