// Whole Python stacks: every frame, its line, and how deep the stack truly was, as tracemalloc of the same interpreter tells them.
#include <algorithm>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/python.hpp"
#include "support/python_truth.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

// Stacks that differ only below the frames kept are one site with one depth: it must be that of one of them.
std::string wrong_depths(const Tracebacks& truth, const Tracebacks& seen) {
    std::string text;
    for (const auto& [traceback, total] : seen)
        if (!truth.contains(traceback)) text += traceback.frames.front() + ": depth " + std::to_string(traceback.depth) + "\n";
    return text;
}

void require_equal_tracebacks(const std::string& script, const std::vector<unsigned>& limits) {
    require_root();
    for (const Interpreter& interpreter : chosen_pythons())
        for (const unsigned limit : limits) DYNAMIC_SECTION(interpreter.name << ", " << limit << " frames") {
                Account account = Account::blocks;
                const Tracebacks truth = tracemalloc_says(interpreter, script, limit, account);
                const Snapshot snapshot = trace_script(interpreter, script, {"--frames", std::to_string(limit)});
                const Tracebacks seen = traced(snapshot);
                CHECK(differences(without_depth(truth), without_depth(seen)) == "");
                if (depth_known(truth)) CHECK(wrong_depths(truth, seen) == "");
                CHECK(lost(snapshot) == "");
                CHECK(loss(snapshot, MT_PYTHON_UNREADABLE) == 0);
            }
}

}  // namespace

RULE("calls between Python and C of every sort stand in the traceback with the lines they were made on") {
    require_equal_tracebacks("frames_of_calls.py", {25, 128});
}

RULE("a generator or coroutine stands in the traceback under what it waits for and over who resumed it") {
    require_equal_tracebacks("frames_of_generators.py", {25, 128});
}

RULE("a recursion deeper than the frames kept shows the newest ones and its true depth") {
    require_equal_tracebacks("frames_of_recursion.py", {1, 25, 128});
}

RULE("files show by the names their code was compiled under, however strange, long or since deleted, frozen modules by theirs") {
    require_equal_tracebacks("frames_of_files.py", {25});
}

RULE("code compiled and run 300 000 times is a line for each of its places, and not a site for each of its code objects") {
    require_root();
    const Interpreter interpreter = chosen_pythons().front();
    Account account = Account::blocks;
    const Tracebacks truth = tracemalloc_says(interpreter, "evaluated_often.py", 4, account);
    const Snapshot snapshot = trace_script(interpreter, "evaluated_often.py", {"--frames", "4"});
    CHECK(differences(without_depth(truth), without_depth(traced(snapshot))) == "");
    CHECK(lost(snapshot) == "");
    const auto sites = std::count_if(snapshot.sites.begin(), snapshot.sites.end(),
                                     [&](const Site& site) { return snapshot.text(snapshot.frame(site.frames.front()).file) == "<often>"; });
    CHECK(sites >= 1);
    CHECK(sites <= 20);
}

RULE("code that is first seen while the tracer reads is named all the same") {
    constexpr std::int64_t rounds = 20'000;
    const Snapshot snapshot = trace_script(chosen_pythons().front(), "new_code.py", {"--interval", "1", "--sites", "200000"});
    std::int64_t blocks = 0;
    std::int64_t nameless = 0;
    for (const auto& [name, line] : lines_of(traced(snapshot))) {
        if (name.starts_with("<new ")) blocks += line.blocks;
        if (name.starts_with("<unknown>")) nameless += line.blocks;
    }
    CHECK(nameless == 0);
    CHECK(blocks >= 2 * rounds);
    CHECK(lost(snapshot) == "");
    CHECK(loss(snapshot, MT_EVENTS_DROPPED) == 0);
}
