// Other allocators behind CPython's tables, and tracemalloc itself in them: the lines hold what tracemalloc says all the same.
#include <cstdint>
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

const std::vector<std::string> some_scripts = {"instances.py", "texts.py", "containers.py", "generated_code.py"};

Interpreter with_environment(Interpreter interpreter, const std::string& name, const std::string& value) {
    interpreter.environment.emplace_back(name, value);
    interpreter.name += ", " + name + "=" + value;
    return interpreter;
}

Interpreter with_option(Interpreter interpreter, const std::string& value) {
    interpreter.options.insert(interpreter.options.end(), {"-X", value});
    interpreter.name += ", -X " + value;
    return interpreter;
}

// Whether the interpreter knows the allocator: unknown ones stop it at once.
bool starts(const Interpreter& interpreter) {
    std::vector<std::string> command{interpreter.path, "-c", "pass"};
    if (!interpreter.root.empty()) command.insert(command.begin(), {"chroot", interpreter.root});
    return run(command, {interpreter.environment}).wait() == Ending{false, 0};
}

void check_sound(const Snapshot& snapshot) {
    CHECK(lost(snapshot) == "");
    CHECK(loss(snapshot, MT_PYTHON_UNREADABLE) == 0);
    CHECK(inconsistencies(snapshot) == "");
}

// tracemalloc of CPython 3.9 to 3.12 never frees its record of a traceback (24 bytes, of the raw domain) when it is stopped. Of frames it
// was told to keep one, so a line has as many as there are depths it was reached at.
PythonLines without_leak(const PythonLines& truth, const PythonLines& seen) {
    constexpr std::int64_t record_bytes = 24;
    constexpr std::int64_t most_depths = 4;
    PythonLines result;
    for (const auto& [name, line] : seen) {
        const auto known = truth.find(name);
        const PythonLine expected = known == truth.end() ? PythonLine{} : known->second;
        const std::int64_t more = line.blocks - expected.blocks;
        const bool is_leak = more >= 0 && more <= most_depths && line.bytes == expected.bytes + more * record_bytes;
        const PythonLine& kept = is_leak ? expected : line;
        if (kept != PythonLine{}) result[name] = kept;
    }
    return result;
}

void check_both(const Interpreter& interpreter, const std::string& script) {
    const BothAccounts both = trace_with_tracemalloc(interpreter, script);
    const PythonLines truth = lines_of(both.truth);
    const unsigned minor = build_of(interpreter).minor;
    PythonLines seen = lines_of(traced(both.snapshot));
    if (minor >= 9 && minor <= 12) seen = without_leak(truth, seen);
    CHECK(differences(truth, seen) == "");
    check_sound(both.snapshot);
}

void check_script(const Interpreter& interpreter, const std::string& script) {
    Account account = Account::blocks;
    const PythonLines truth = lines_of(tracemalloc_says(interpreter, script, 1, account));
    const Snapshot snapshot = trace_script(interpreter, script);
    CHECK(differences(truth, lines_of(traced(snapshot))) == "");
    check_sound(snapshot);
}

}  // namespace

RULE("with any allocator that PYTHONMALLOC names, every line holds what tracemalloc says") {
    require_root();
    for (const Interpreter& plain : chosen_pythons())
        for (const char* allocator : {"malloc", "debug", "pymalloc_debug", "malloc_debug", "mimalloc", "mimalloc_debug"}) {
            const Interpreter interpreter = with_environment(plain, "PYTHONMALLOC", allocator);
            if (!starts(interpreter)) continue;
            for (const auto& script : some_scripts) DYNAMIC_SECTION(interpreter.name << ", " << script) {
                    check_script(interpreter, script);
                }
        }
}

RULE("in development mode every line holds what tracemalloc says") {
    require_root();
    for (const Interpreter& plain : chosen_pythons())
        for (const auto& script : some_scripts) DYNAMIC_SECTION(plain.name << ", " << script) {
                check_script(with_option(plain, "dev"), script);
            }
}

RULE("while tracemalloc is active, both say the same of the same run") {
    require_root();
    for (const Interpreter& plain : chosen_pythons())
        for (const auto& script : some_scripts) DYNAMIC_SECTION(plain.name << ", " << script) {
                check_both(with_option(plain, "tracemalloc"), script);
            }
}

RULE("when a program starts tracemalloc while it is traced and stops it again, the lines hold what it said") {
    require_root();
    for (const Interpreter& plain : chosen_pythons())
        for (const auto& script : some_scripts) DYNAMIC_SECTION(plain.name << ", " << script) {
                check_both(plain, script);
            }
}

RULE("when a program stops the tracemalloc it was started with, its allocations are soon seen again, and the report says that some were not") {
    require_root();
    for (const Interpreter& plain : chosen_pythons()) DYNAMIC_SECTION(plain.name) {
            const Snapshot snapshot = trace_script(with_option(plain, "tracemalloc"), "stops_tracemalloc.py");
            CHECK(differences({{"stops_tracemalloc.py:21", {633'000, 1000}}}, lines_of(traced(snapshot))) == "");
            CHECK(lost(snapshot) == "");
            CHECK(!snapshot.notes.empty());
        }
}

RULE("a virtual environment's interpreter, which is a link, is traced like its target") {
    require_root();
    const TemporaryFolder folder;
    for (const Interpreter& plain : chosen_pythons()) DYNAMIC_SECTION(plain.name) {
            if (!plain.root.empty()) skip("a virtual environment inside another root is not tried");
            const std::string place = folder.file("environment");
            Child made = run({plain.path, "-m", "venv", "--without-pip", "--clear", place});
            const Ending ending = made.wait();
            INFO(made.transcript());
            REQUIRE(ending == Ending{false, 0});
            const Interpreter interpreter{plain.name + ", virtual environment", place + "/bin/python"};
            for (const auto& script : some_scripts) check_script(interpreter, script);
            CHECK(not_restored(interpreter) == "");
        }
}
