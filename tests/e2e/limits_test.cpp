// What a trace does by itself: periodic snapshots, and limits that make it fail.
#include <csignal>
#include <filesystem>

#include "support/catch.hpp"
#include "support/commands.hpp"
#include "support/python.hpp"
#include "support/small_disk.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

namespace fs = std::filesystem;

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
}

}  // namespace

RULE("only the newest of the periodic snapshots are kept, and nothing that is not ours goes") {
    const TemporaryFolder folder;
    write_text(folder.file("memtrace-0.pb.gz"), "mine");
    Child program = start_workload("forever");
    Child tracer = run(tracer_command({"-p", std::to_string(program.pid()), "--snapshot-every", "0.1", "--snapshot-keep", "3", "--duration", "2",
                                       "--snapshot-template", "memtrace-$counter.pb.gz"}),
                       {{}, false, folder.path().string()});
    REQUIRE(tracer.wait() == Ending{false, 0});
    INFO(folder.listing());
    REQUIRE(count(folder.listing(), "memtrace-") == 4);
    REQUIRE(read_text(folder.file("memtrace-0.pb.gz")) == "mine");
    REQUIRE_FALSE(fs::exists(folder.file("memtrace-0001.pb.gz")));
}

RULE("a full disk is told of once a minute, tracing goes on, and the exit status tells it in the end") {
    const SmallDisk disk("size=4k");
    write_text(disk.folder().file("filler"), std::string(4096, 'x'));
    Child program = start_workload("forever");
    Child tracer = run(tracer_command({"-p", std::to_string(program.pid()), "--snapshot-every", "0.05", "--duration", "2"}),
                       {{}, false, disk.folder().path().string()});
    INFO(tracer.transcript());
    REQUIRE(tracer.wait() == Ending{false, 1});
    REQUIRE(count(tracer.errors(), "No space left") == 1);
    REQUIRE(contains(tracer.errors(), "tracing goes on"));
    REQUIRE(contains(tracer.output(), "forever.c"));
}

RULE("limits that are kept end with 0, others with 3 and their reason; the summary says the same as JSON") {
    const TemporaryFolder folder;
    const SpawnOptions at_once{{{"MEMTRACE_WORKLOAD_NOWAIT", "1"}}};
    const auto trace = [&](Arguments arguments) {
        arguments.insert(arguments.end(), {"--summary", folder.file("summary.json"), "--", workload_path("ledger_single")});
        return run(tracer_command(arguments), at_once);
    };
    const auto summary = [&] { return nlohmann::json::parse(read_text(folder.file("summary.json"))); };
    Child kept = trace({"--fail-over", "1GiB", "--fail-growth", "1 GB"});
    REQUIRE(kept.wait() == Ending{false, 0});
    REQUIRE(summary()["passed"] == true);
    REQUIRE(summary()["gates"].size() == 2);
    const std::uint64_t peak = summary()["peak"], current = summary()["current"];
    REQUIRE(peak > 0);
    Child over = trace({"--fail-over", std::to_string(peak - 1)});
    REQUIRE(over.wait() == Ending{false, 3});
    REQUIRE(contains(over.errors(), "--fail-over"));
    REQUIRE(summary()["passed"] == false);
    REQUIRE(summary()["gates"][0]["value"] == peak);
    REQUIRE(trace({"--fail-over", std::to_string(peak)}).wait() == Ending{false, 0});
    REQUIRE(trace({"--fail-growth", std::to_string(current)}).wait() == Ending{false, 0});
    if (current > 0) REQUIRE(trace({"--fail-growth", std::to_string(current - 1)}).wait() == Ending{false, 3});

    Child program = start_workload("forever");
    Child json = run(tracer_command({"-p", std::to_string(program.pid()), "--duration", "0.3", "--summary", "-", "--fail-over", "1B"}));
    REQUIRE(json.wait() == Ending{false, 3});
    REQUIRE(nlohmann::json::parse(json.output())["gates"][0]["failed"] == true);
    REQUIRE(contains(json.errors(), "forever.c"));
}

RULE("growth is from the first checkpoint to the last where there are two") {
    const TemporaryFolder folder;
    Child program = start_workload("ledger_single");
    Child tracer(tracer_command({"-p", std::to_string(program.pid()), "--fail-growth", "0", "--summary", folder.file("summary.json")}));
    tracer.wait_error_line("memtrace-bpf: tracing pid");
    program.send_line("go");
    program.wait_line("done");
    command(program, {"checkpoint", "a"});
    command(program, {"checkpoint", "b"});
    tracer.signal(SIGINT);
    INFO(tracer.transcript());
    REQUIRE(tracer.wait() == Ending{false, 0});
    const nlohmann::json summary = nlohmann::json::parse(read_text(folder.file("summary.json")));
    REQUIRE(summary["current"] > 0);
    REQUIRE(summary["gates"][0]["value"] == 0);
    REQUIRE(summary["checkpoints"].size() == 2);
}
