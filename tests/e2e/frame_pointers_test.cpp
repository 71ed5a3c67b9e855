// Programs that keep no frame pointers: the caller is right all the same, however many frames are asked for.
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/ledger.hpp"
#include "support/process.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

RULE("without frame pointers every block is still booked to the line that allocated it, at any number of frames") {
    const TemporaryFolder folder;
    const std::filesystem::path sources = std::filesystem::path(workload_path("ledger_single")).parent_path().parent_path().parent_path() /
                                          "tests/workloads";
    for (const char* workload : {"ledger_single.c", "ledger_realloc.c", "ledger_wrappers.cpp"}) {
        const bool is_cxx = std::string(workload).ends_with("pp");
        const std::string command = std::string(is_cxx ? "g++ -std=c++20" : "gcc") +
                                    " -g -O1 -fomit-frame-pointer -fno-builtin -D_GNU_SOURCE -pthread " + (sources / workload).string() + " -o " +
                                    folder.file("program");
        Child compiler = run({"sh", "-c", command});
        INFO(command << compiler.transcript());
        REQUIRE(compiler.wait() == Ending{false, 0});
        for (const char* frames : {"1", "16"}) {
            INFO(command << ", " << frames << " frames");
            const CommandTrace trace = trace_command({folder.file("program")}, {"--frames", frames}, {{{"MEMTRACE_WORKLOAD_NOWAIT", "1"}}});
            REQUIRE(trace.ending == Ending{false, 0});
            const Ledger ledger = parse_ledger(trace.process.output());
            CHECK(differences(ledger.lines, lines_of_file(trace.snapshot, ledger_file(ledger))) == "");
            CHECK(lost(trace.snapshot) == "");
        }
    }
}
