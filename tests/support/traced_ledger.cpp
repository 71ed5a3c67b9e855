#include "support/traced_ledger.hpp"

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

namespace memtrace::test {

Traced trace_attached(const std::string& workload, const Arguments& options, const Environment& environment) {
    Child program({workload_path(workload)}, {environment});
    program.wait_line("ready");
    Tracer tracer = Tracer::attach(program, options);
    program.send_line("go");
    program.wait_line("done");
    Snapshot snapshot = tracer.stop();
    program.send_line("end");
    INFO(program.transcript());
    REQUIRE(program.wait() == Ending{false, 0});
    return {parse_ledger(program.output()), std::move(snapshot)};
}

Traced trace_from_start(const std::string& workload, const Arguments& options, const Environment& environment) {
    // Not for the tracer: a library may be preloaded.
    Arguments command;
    if (!environment.empty()) command.emplace_back("/usr/bin/env");
    for (const auto& [name, value] : environment) command.push_back(name + "=" + value);
    command.push_back(workload_path(workload));
    CommandTrace trace = trace_command(command, options, {{{"MEMTRACE_WORKLOAD_NOWAIT", "1"}}});
    INFO(trace.process.transcript());
    REQUIRE(trace.ending == Ending{false, 0});
    return {parse_ledger(trace.process.output()), std::move(trace.snapshot)};
}

void require_equal_lines(const Traced& traced) {
    REQUIRE(differences(traced.ledger.lines, lines_of_file(traced.snapshot, ledger_file(traced.ledger))) == "");
    REQUIRE(lost(traced.snapshot) == "");
    REQUIRE(inconsistencies(traced.snapshot) == "");
}

void require_equal(const Traced& traced) {
    require_equal_lines(traced);
    REQUIRE(loss(traced.snapshot, MT_UNTRACKED_FREES) == traced.ledger.untracked_frees);
}

void require_exact(const std::string& workload, const Arguments& options, const Environment& environment) {
    SECTION("attached") { require_equal(trace_attached(workload, options, environment)); }
    SECTION("from the first instruction") { require_equal(trace_from_start(workload, options, environment)); }
}

}  // namespace memtrace::test
