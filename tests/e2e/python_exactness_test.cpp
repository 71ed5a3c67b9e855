// The corpus and every kind of object, on the system's CPython and on the oldest and newest others found: live bytes and blocks of every
// line equal those of tracemalloc, which counts each block where it was allocated.
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/process.hpp"
#include "support/python.hpp"
#include "support/python_truth.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

constexpr unsigned pieces = 2000;  ///< Of each kind; `make test-matrix` makes 50 000.

Snapshot require_equal(const Interpreter& interpreter, const std::string& script) {
    require_root();
    INFO(interpreter.name);
    Account account = Account::blocks;
    const PythonLines expected = lines_of(tracemalloc_says(interpreter, script, 1, account));
    REQUIRE(account == Account::blocks);
    Snapshot snapshot = trace_script(interpreter, script);
    CHECK(differences(expected, lines_of(traced(snapshot))) == "");
    CHECK(lost(snapshot) == "");
    CHECK(loss(snapshot, MT_PYTHON_UNREADABLE) == 0);
    CHECK(inconsistencies(snapshot) == "");
    return snapshot;
}

}  // namespace

RULE("on the system's Python, the oldest and the newest, every line of the corpus holds what tracemalloc says") {
    for (const Interpreter& interpreter : chosen_pythons())
        for (const auto& script : corpus) DYNAMIC_SECTION(interpreter.name << ", " << script) {
                require_equal(interpreter, script);
            }
}

RULE("on a plain shared build every line of the corpus holds what tracemalloc says") {
    const Interpreter interpreter = shared_python();
    for (const auto& script : corpus) DYNAMIC_SECTION(script) {
            require_equal(interpreter, script);
        }
}

RULE("of every kind of object every block is seen, and every byte") {
    require_root();
    for (const Interpreter& interpreter : chosen_pythons()) DYNAMIC_SECTION(interpreter.name) {
            Account account = Account::blocks;
            for (const KindCount& kind : count_kinds(interpreter, pieces, account)) {
                INFO(kind.kind << ": " << kind.truth.bytes << " bytes by tracemalloc, " << kind.seen.bytes << " seen");
                CHECK(kind.truth.blocks >= pieces / 50);
                CHECK(kind.seen.blocks == kind.truth.blocks);
                CHECK(kind.bytes_agree());
            }
        }
}

RULE("after a trace the allocator tables and the code are as before, and the program goes on computing what it should") {
    require_root();
    for (const Interpreter& interpreter : chosen_pythons()) DYNAMIC_SECTION(interpreter.name) {
            REQUIRE(not_restored(interpreter) == "");
        }
}

RULE("numpy's data, which comes from the C library, is counted at its Python line, though numpy may have released the GIL") {
    require_root();
    const Interpreter interpreter = static_python();
    if (!has_numpy(interpreter)) skip("numpy is not installed for " + interpreter.path + " (package python3-numpy)");
    // numpy tells tracemalloc of its data only while that is told of everything.
    Account account = Account::objects;
    const PythonLines expected = lines_of(tracemalloc_says(interpreter, "numpy_arrays.py", 1, account));
    const Snapshot snapshot = trace_script(interpreter, "numpy_arrays.py");
    CHECK(differences(expected, lines_of(traced(snapshot, With::c_library))) == "");
    CHECK(lost(snapshot) == "");
    CHECK(inconsistencies(snapshot) == "");
}

// prepare() of middle.py makes 600 lists and 600 bytes; work() drops half of them (300 bytes, 300 lists' items and all but what the
// free list holds of 300 lists) and makes 100 lists grow. The driver and the interpreter free a few old blocks besides.
RULE("attached in the middle, frees of older blocks are untracked and the rest is exact") {
    for (const Interpreter& interpreter : chosen_pythons()) DYNAMIC_SECTION(interpreter.name) {
            const Snapshot snapshot = require_equal(interpreter, "middle.py");
            const std::uint64_t untracked = loss(snapshot, MT_UNTRACKED_FREES);
            REQUIRE(untracked >= 300 + 300 + 220 + 100);
            REQUIRE(untracked <= 1500);
        }
}

RULE("--no-redirect leaves the tables alone and says what it cannot see") {
    const Interpreter interpreter = static_python();
    Child program = start_forever(interpreter);
    const std::string tables = allocator_tables(program);
    Tracer tracer = Tracer::attach(program, {"--no-redirect"});
    REQUIRE(allocator_tables(program) == tables);
    require_progress(program);
    const Snapshot snapshot = tracer.stop();
    REQUIRE(!snapshot.notes.empty());
    REQUIRE(allocator_tables(program) == tables);
}
