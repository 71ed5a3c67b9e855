// The corpus on both builds of CPython 3.11: live bytes and blocks of every line equal tracemalloc's.
#include <map>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/leftovers.hpp"
#include "support/process.hpp"
#include "support/python.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

const std::vector<std::string> corpus = {
    "instances.py", "slots.py",  "dictionaries.py", "lists.py",      "tuples.py",         "texts.py",
    "binaries.py",  "floats.py", "big_integers.py", "closures.py",   "generators.py",     "comprehensions.py",
    "recursion.py", "sets.py",   "tracebacks.py",   "containers.py", "generated_code.py", "records.py",
};

// An object that lives in a block from a free list: tracemalloc moves the block to the object's line (to), an observer of the
// allocator keeps it at the line that allocated it, for an object since dead (from). But for numpy's data nothing else may differ.
struct FreeListEffect {
    const char* from;
    const char* to;
    std::int64_t bytes;
    std::int64_t blocks;
    const char* why;
};
const std::vector<FreeListEffect> free_list_effects = {
    {"closures.py:20", "closures.py:32", 48, 1, "a 1-tuple: the closure of middle() becomes a lambda's defaults"},
    {"containers.py:17", "containers.py:26", 56, 1, "a list: the slice rows[:100] becomes heap"},
    {"dictionaries.py:14", "dictionaries.py:17", 128, 2, "two dictionaries: both operands of | become keyword dictionaries"},
    {"floats.py:12", "floats.py:15", 24, 1, "a float: the last product becomes a parsed number"},
    {"generated_code.py:18", "generated_code.py:26", 56, 1, "a list of the compiler becomes evaluated"},
    {"generated_code.py:18", "generated_code.py:27", 56, 1, "a 2-tuple of the compiler becomes the result"},
    {"instances.py:18", "instances.py:25", 64, 1, "a 3-tuple: the arguments of Child() become the result"},
    {"lists.py:18", "lists.py:19", 56, 1, "a list: the [None] that is repeated becomes part"},
    {"slots.py:22", "slots.py:28", 64, 1, "a 3-tuple: the arguments of Point() become the result"},
    {"tuples.py:19", "tuples.py:20", 96, 1, "a 7-tuple: grown on its way becomes the result"},
};

// Blocks that numpy asks for while it has released the GIL: without it no Python frame is current, and the caller in numpy's own
// library stands for them.
struct WithoutGil {
    const char* line;
    std::int64_t bytes;
    std::int64_t blocks;
};
const std::vector<WithoutGil> without_gil = {
    {"numpy_arrays.py:6", 326240, 40},  // zeros(1000 + i), eight bytes a number
    {"numpy_arrays.py:12", 16000, 1},   // 500 texts of eight characters of four bytes
};

void move(PythonLines& lines, const std::string& name, std::int64_t bytes, std::int64_t blocks) {
    PythonLine& line = lines[name];
    line.bytes += bytes;
    line.blocks += blocks;
    if (line == PythonLine{}) lines.erase(name);
}

// tracemalloc's answer, with recycled blocks back where they were allocated.
PythonLines expected_lines(const Interpreter& interpreter, const std::string& script) {
    PythonLines lines = tracemalloc_lines(interpreter, script);
    for (const auto& effect : free_list_effects) {
        if (!std::string(effect.from).starts_with(script + ":")) continue;
        INFO(effect.why);
        REQUIRE(lines[effect.to].blocks >= effect.blocks);
        move(lines, effect.to, -effect.bytes, -effect.blocks);
        move(lines, effect.from, effect.bytes, effect.blocks);
    }
    return lines;
}

std::string line_differences(const PythonLines& truth, const PythonLines& seen) {
    std::map<std::string, std::pair<PythonLine, PythonLine>> both;
    for (const auto& [name, line] : truth) both[name].first = line;
    for (const auto& [name, line] : seen) both[name].second = line;
    std::string text;
    for (const auto& [name, line] : both)
        if (line.first != line.second)
            text += name + ": tracemalloc " + std::to_string(line.first.bytes) + " B in " + std::to_string(line.first.blocks) + ", seen " +
                    std::to_string(line.second.bytes) + " B in " + std::to_string(line.second.blocks) + "\n";
    return text;
}

Snapshot trace_script(const Interpreter& interpreter, const std::string& script) {
    Child program = start_script(interpreter, script, "traced");
    Tracer tracer = Tracer::attach(program);
    program.send_line("go");
    program.wait_line("done");
    Snapshot snapshot = tracer.stop();
    program.send_line("end");
    INFO(program.transcript());
    REQUIRE(program.wait() == Ending{false, 0});
    return snapshot;
}

Snapshot require_equal(const Interpreter& interpreter, const std::string& script, const PythonLines& expected) {
    INFO(interpreter.name << " " << interpreter.path);
    Snapshot snapshot = trace_script(interpreter, script);
    CHECK(line_differences(expected, traced_lines(snapshot, script)) == "");
    CHECK(lost(snapshot) == "");
    CHECK(loss(snapshot, MT_PYTHON_UNREADABLE) == 0);
    CHECK(inconsistencies(snapshot) == "");
    return snapshot;
}

Snapshot require_equal(const Interpreter& interpreter, const std::string& script) {
    require_root();
    return require_equal(interpreter, script, expected_lines(interpreter, script));
}

// Live bytes and blocks whose newest frame is native code of an object file named like `library`.
PythonLine native_total(const Snapshot& snapshot, const std::string& library) {
    PythonLine total;
    for (const auto& site : snapshot.sites) {
        if (snapshot.text(snapshot.frame(site.frames.front()).file).find(library) == std::string::npos) continue;
        total.bytes += static_cast<std::int64_t>(site.counters.live_bytes());
        total.blocks += static_cast<std::int64_t>(site.counters.live_blocks());
    }
    return total;
}

// prepare() of middle.py makes 600 lists and 600 bytes; work() drops half of them (300 bytes, 300 lists' items and all but what the
// free list holds of 300 lists) and makes 100 lists grow. The driver and the interpreter free a few old blocks besides.
void require_exact_in_the_middle(const Interpreter& interpreter) {
    const Snapshot snapshot = require_equal(interpreter, "middle.py");
    const std::uint64_t untracked = loss(snapshot, MT_UNTRACKED_FREES);
    REQUIRE(untracked >= 300 + 300 + 220 + 100);
    REQUIRE(untracked <= 1500);
}

}  // namespace

RULE("on the static build, whose allocators are inlined, every line of the corpus holds what tracemalloc says") {
    const Interpreter interpreter = static_python();
    for (const auto& script : corpus) DYNAMIC_SECTION(script) {
            require_equal(interpreter, script);
        }
}

RULE("on a plain shared build every line of the corpus holds what tracemalloc says") {
    const Interpreter interpreter = shared_python();
    for (const auto& script : corpus) DYNAMIC_SECTION(script) {
            require_equal(interpreter, script);
        }
}

RULE("numpy's data, which comes from the C library, is counted at its Python line, or at numpy's own code where it has released the GIL") {
    require_root();
    const Interpreter interpreter = static_python();
    if (!has_numpy(interpreter)) skip("numpy is not installed for " + interpreter.path + " (package python3-numpy)");
    PythonLines expected = expected_lines(interpreter, "numpy_arrays.py");
    PythonLine elsewhere;
    for (const auto& row : without_gil) {
        move(expected, row.line, -row.bytes, -row.blocks);
        elsewhere.bytes += row.bytes;
        elsewhere.blocks += row.blocks;
    }
    const Snapshot snapshot = require_equal(interpreter, "numpy_arrays.py", expected);
    REQUIRE(native_total(snapshot, "_multiarray_umath") == elsewhere);
}

RULE("attached in the middle, frees of older blocks are untracked and the rest is exact, on the static build") {
    require_exact_in_the_middle(static_python());
}

RULE("attached in the middle, frees of older blocks are untracked and the rest is exact, on a shared build") {
    require_exact_in_the_middle(shared_python());
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
