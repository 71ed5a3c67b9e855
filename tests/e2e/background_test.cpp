// A trace in the background: what whoever starts and stops it is told, and snapshots through pipes.
#include <filesystem>

#include "format/pprof.hpp"
#include "support/catch.hpp"
#include "support/commands.hpp"

using namespace memtrace;
using namespace memtrace::test;

RULE("who stops a trace in the background is told which of its limits was exceeded, by the exit status too") {
    Child program = start_workload("forever");
    command(program, {"start", "--fail-over", "1B", "--fail-growth", "1GiB"});
    const std::string said = failing_command(program, {"stop"}, 3);
    CHECK(contains(said, "memtrace-bpf: the peak was "));
    CHECK(contains(said, "more than --fail-over 1 B\n"));
    CHECK_FALSE(contains(said, "--fail-growth"));
    CHECK_FALSE(contains(said, "exit status"));
    CHECK_FALSE(std::filesystem::exists(socket_of(program)));
    CHECK_FALSE(std::filesystem::exists(log_of(program)));
    command(program, {"start", "--fail-over", "1GiB"});
    CHECK(contains(command(program, {"stop"}), "has ended"));
}

RULE("a function to mark that is nowhere is told of when the trace starts") {
    Child program = start_workload("forever");
    Child starting = run(tracer_command({"start", "--mark", "no_such", "--mark", "malloc", "-p", std::to_string(program.pid())}));
    INFO(starting.transcript());
    CHECK(starting.wait() == Ending{false, 0});
    CHECK(starting.errors() == "memtrace-bpf: mark no_such: no such function was loaded\n");
    command(program, {"stop"});
}

RULE("a snapshot is written to standard output unless that is a terminal") {
    Child program = start_workload("forever");
    Background trace(program);
    Child piped = run(tracer_command({"snapshot", "-o", "-", "-p", std::to_string(program.pid())}));
    REQUIRE(piped.wait() == Ending{false, 0});
    const Result<Snapshot> snapshot = decode_snapshot(piped.output());
    REQUIRE(snapshot);
    CHECK(snapshot->processes.at(0).pid == program.pid());
    Child shown = run({"script", "-qec", tracer_path() + " snapshot -o - -p " + std::to_string(program.pid()), "/dev/null"});
    CHECK(shown.wait() == Ending{false, 1});
    CHECK(contains(shown.output(), "no text for a terminal"));
    trace.stop();
}
