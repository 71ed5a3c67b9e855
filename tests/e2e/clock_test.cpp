// A wall clock that somebody sets back and forth while it is traced.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <set>
#include <thread>

#include "support/catch.hpp"
#include "support/commands.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;
using namespace std::chrono_literals;

RULE("a wall clock that jumps by years changes no age, no mark's place and nothing that is done at intervals") {
    const TemporaryFolder folder;
    Child program = start_workload("forever");
    // Within the tracer alone the wall clock jumps 400 days forward and back every 200 ms.
    Child tracer(tracer_command({"-p", std::to_string(program.pid()), "--interval", "0.2", "--snapshot-every", "0.2", "--snapshot-template",
                                 folder.file("$counter.pb.gz"), "-o", folder.file("last.pb.gz")}),
                 {.environment = {{"LD_PRELOAD", workload_path("jumping_clock.so")}}});
    tracer.wait_error_line("memtrace-bpf: tracing pid");
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 5; ++i) {
        command(program, {"checkpoint", "c" + std::to_string(i)});
        std::this_thread::sleep_for(210ms);
    }
    tracer.signal(SIGINT);
    INFO(tracer.transcript());
    REQUIRE(tracer.wait() == Ending{false, 0});
    const auto traced = std::chrono::steady_clock::now() - begin;
    const Snapshot last = load_snapshot(folder.file("last.pb.gz"));
    CHECK(last.traced_for > 1s);
    CHECK(last.traced_for < traced + 10s);
    std::set<std::int64_t> days;
    REQUIRE(last.marks.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) {
        CHECK(last.marks[i].name == "c" + std::to_string(i));
        days.insert(std::chrono::floor<std::chrono::days>(last.marks[i].time).time_since_epoch().count());
    }
    CHECK(days.size() > 1);  // it did jump
    std::uint64_t blocks = 0;
    for (const Site& site : last.sites)
        for (const BlockGroup& group : site.blocks) {
            CHECK(age_of(group.age) <= traced + 10s);
            blocks += group.count;
        }
    CHECK(blocks >= 99);  // the program frees one and then makes another
    CHECK(blocks <= 100);
    std::size_t files = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder.path())) files += file.path().filename() != "last.pb.gz";
    CHECK(files >= 3);
    CHECK(files <= static_cast<std::size_t>(traced / 200ms) + 2);
}
