// Tracing a busy interpreter again and again leaves nothing behind: not in it, not in the system, not in us.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "loader/calibrate.hpp"
#include "loader/session.hpp"
#include "reader/collector.hpp"
#include "support/catch.hpp"
#include "support/leftovers.hpp"
#include "support/process.hpp"
#include "support/python.hpp"
#include "support/stress.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

constexpr int warm_up = 5;  // the interpreter's own arenas and caches reach their size meanwhile

// What a process holds that may grow.
struct Holdings {
    std::size_t descriptors = 0;
    std::size_t mappings = 0;
    std::size_t threads = 0;
    long rss_kib = 0;
};

std::size_t entries(const std::string& folder) {
    std::error_code gone;
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder, gone), {}));
}

Holdings holdings(pid_t pid) {
    const std::string proc = "/proc/" + std::to_string(pid);
    Holdings found;
    found.descriptors = entries(proc + "/fd");
    found.threads = entries(proc + "/task");
    std::ifstream maps(proc + "/maps");
    for (std::string line; std::getline(maps, line);) ++found.mappings;
    std::ifstream status(proc + "/status");
    for (std::string word; status >> word;)
        if (word == "VmRSS:") status >> found.rss_kib;
    return found;
}

int rounds() {
    const int count = long_run() ? 200 : 30;
    std::cout << "attach and detach: " << count << " times" << (long_run() ? "" : " (200 with MEMTRACE_LONG=1)") << std::endl;
    return count;
}

std::uint64_t answer(Child& program, const std::string& request) {
    program.send_line(request);
    return std::stoull(program.wait_line(request + " ").substr(request.size() + 1));
}

// The kernel keeps one page of uprobe slots in a traced process; the rest is the interpreter's own breathing.
constexpr long rss_slack_kib = 2048;
constexpr std::size_t mappings_slack = 8;

void require_no_growth(const Holdings& before, const Holdings& after) {
    INFO("resident " << before.rss_kib << " KiB, then " << after.rss_kib << " KiB; mappings " << before.mappings << ", then " << after.mappings);
    CHECK(after.descriptors == before.descriptors);
    CHECK(after.threads == before.threads);
    CHECK(after.mappings <= before.mappings + mappings_slack);
    CHECK(after.rss_kib <= before.rss_kib + rss_slack_kib);
}

void require_unchanged(Child& program, const std::string& tables, std::uint64_t code, const Leftovers& before) {
    REQUIRE(allocator_tables(program) == tables);
    CHECK(answer(program, "wrong") == 0);
    require_progress(program);
    require_code(program.pid(), code);
    before.require_nothing_new();
    program.send_line("end");
    INFO(program.transcript());
    REQUIRE(program.wait() == Ending{false, 0});
}

}  // namespace

RULE("a busy interpreter with two threads is traced by one program after the other, and nothing of it is left") {
    require_root();
    const Interpreter interpreter = static_python();
    Child program = start_stress(interpreter, {"stress_busy.py"});
    const std::string tables = allocator_tables(program);
    const std::uint64_t code = code_hash(program.pid());
    const Leftovers before = Leftovers::now();
    Holdings first;
    const int count = rounds();
    for (int round = 0; round < count; ++round) {
        Child tracer = run(tracer_command({"-p", std::to_string(program.pid()), "--duration", "0.05"}));
        INFO("round " << round << "\n" << tracer.transcript());
        REQUIRE(tracer.wait() == Ending{false, 0});
        REQUIRE(allocator_tables(program) == tables);
        if (round == warm_up) first = holdings(program.pid());
    }
    require_no_growth(first, holdings(program.pid()));
    require_unchanged(program, tables, code, before);
}

RULE("one tracing process attaches and detaches again and again without holding more each time") {
    require_root();
    const Interpreter interpreter = static_python();
    Child program = start_stress(interpreter, {"stress_busy.py"});
    const std::string tables = allocator_tables(program);
    const std::uint64_t code = code_hash(program.pid());
    const Leftovers before = Leftovers::now();
    const Result<Calibration> calibration = calibrate();
    REQUIRE(calibration);
    Holdings first, ours;
    const int count = rounds();
    for (int round = 0; round < count; ++round) {
        INFO("round " << round);
        {
            Result<Target> target = Target::open(program.pid());
            REQUIRE(target);
            Result<Session> session = Session::open(*std::move(target), *calibration, {});
            REQUIRE(session);
            const Result<void> updated = session->update(Loading::complete);
            REQUIRE(updated);
            Collector collector(*session);
            session->start();
            REQUIRE(eventually([&] { return collector.snapshot().events > 0; }));
            CHECK(lost(collector.snapshot()) == "");
            const Result<void> stopped = session->stop();
            REQUIRE(stopped);
        }
        REQUIRE(allocator_tables(program) == tables);
        if (round == warm_up) {
            first = holdings(program.pid());
            ours = holdings(getpid());
        }
    }
    require_no_growth(first, holdings(program.pid()));
    require_no_growth(ours, holdings(getpid()));
    require_unchanged(program, tables, code, before);
}
