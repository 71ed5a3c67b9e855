// Code objects that die and hand their address on: every block keeps the name of the code that allocated it.
#include <map>
#include <sstream>

#include "kernel/harness.hpp"
#include "support/catch.hpp"
#include "support/leftovers.hpp"
#include "support/python.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

// Thousands of functions, each from a file of its own, each dead before the next is compiled (out of its globals, so that no cycle
// keeps it). The list is made before: all that stays alive of a function is what it was asked to keep.
constexpr const char* short_lived = R"(
import sys
FUNCTIONS = int(sys.argv[1])
kept = [None] * (FUNCTIONS * 8)
truth, addresses, at = [], set(), 0
def one(i, at):
    names = {}
    count = i % 7 + 1
    source = "def f%d(kept, at, count):\n" % i + "\n" * (i % 5) + "    for k in range(count):\n        kept[at + k] = bytes(600)\n"
    exec(compile(source, "/made/up/%d.py" % i, "exec"), names)
    function = names.pop("f%d" % i)
    addresses.add(id(function.__code__))
    function(kept, at, count)
    return count
print("ready", flush=True)
sys.stdin.readline()
for i in range(FUNCTIONS):
    count = one(i, at)
    truth.append((i, i % 5 + 3, count))
    at += count
for i, line, count in truth:
    print("FILE /made/up/%d.py %d f%d %d" % (i, line, i, count))
print("addresses", len(addresses))
print("done", flush=True)
sys.stdin.readline()
)";

// A function whose only allocations happen before it begins to run for the program (its cells) and that dies; then one at the same
// address, which allocates at the same distance from its beginning, in plain sight.
constexpr const char* hidden_then_seen = R"(
import sys, types
ROUNDS = 200
kept = [None] * ROUNDS
def compiled(source, name):
    names = {}
    exec(compile(source, name, "exec"), names)
    return names.pop("f").__code__
def blocks(code):  # pymalloc serves sizes in steps of 16
    return (code.__sizeof__() + 15) // 16
cells = compiled("def f(early):\n    if early: return\n    a = 1\n    b = 2\n    return lambda: (a, b)\n", "/made/up/cells.py")
plains = (compiled("def f(x=1):\n    y = []\n" + "    x = x\n" * n + "    return y\n", "/made/up/plain.py") for n in range(100))
plain = next(code for code in plains if blocks(code) == blocks(cells))
def again(code):  # another code object like it, made without the compiler's many allocations
    return types.FunctionType(code.replace(co_name="f"), {})
print("ready", flush=True)
sys.stdin.readline()
drained = [[] for _ in range(200)]  # the interpreter's free list of lists is empty now
shared = 0
for i in range(ROUNDS):
    function = again(cells)
    function(True)
    old = id(function.__code__)
    del function
    function = again(plain)
    shared += id(function.__code__) == old
    kept[i] = function(1)
print("shared", shared)
print("FILE /made/up/plain.py 2 f", ROUNDS)
print("done", flush=True)
sys.stdin.readline()
)";

struct Place {
    std::string file;
    std::uint32_t line = 0;
    std::string function;
    auto operator<=>(const Place&) const = default;
};

std::map<Place, std::uint64_t> truth_of(const std::string& output) {
    std::map<Place, std::uint64_t> truth;
    std::istringstream text(output);
    for (std::string line; std::getline(text, line);) {
        std::istringstream words(line);
        std::string kind;
        Place place;
        std::uint64_t count = 0;
        if (words >> kind >> place.file >> place.line >> place.function >> count && kind == "FILE") truth[place] = count;
    }
    return truth;
}

std::map<Place, std::uint64_t> live_places(const Snapshot& snapshot, const std::string& folder) {
    std::map<Place, std::uint64_t> live;
    for (const Site& site : snapshot.sites) {
        const Frame& frame = snapshot.frame(site.frames.front());
        if (!snapshot.text(frame.file).starts_with(folder) || site.counters.live_blocks() == 0) continue;
        live[{snapshot.text(frame.file), frame.line, snapshot.text(frame.function)}] += site.counters.live_blocks();
    }
    return live;
}

std::string word_after(const std::string& output, const std::string& word) {
    const std::size_t at = output.find(word + " ");
    REQUIRE(at != std::string::npos);
    return output.substr(at + word.size() + 1, output.find('\n', at) - at - word.size() - 1);
}

struct Run {
    std::string output;
    Snapshot snapshot;
};

// `read_news`: whether the ring is read while the script runs, as a tracer does that keeps up.
Run trace_script(const Interpreter& interpreter, const std::string& script, unsigned functions, bool read_news = true) {
    const TemporaryFolder folder;
    write_text(folder.file("script.py"), script);
    Child child({interpreter.path, "-P", folder.file("script.py"), std::to_string(functions)});
    child.wait_line("ready");
    Trace trace(child);
    child.send_line("go");
    if (read_news) {
        trace.wait_line(child, "done");
    } else {
        child.wait_line("done");
    }
    Snapshot snapshot = trace.stop();
    REQUIRE(lost(snapshot) == "");
    REQUIRE((loss(snapshot, MT_EVENTS_DROPPED) == 0) == read_news);
    return {child.output(), std::move(snapshot)};
}

void check_names(const Run& run) {
    const auto truth = truth_of(run.output);
    auto seen = live_places(run.snapshot, "/made/up/");
    REQUIRE_FALSE(truth.empty());
    std::string wrong;
    for (const auto& [place, count] : truth) {
        if (seen[place] == count) continue;
        wrong += place.file + ":" + std::to_string(place.line) + " " + place.function + ": " + std::to_string(count) + " kept, " +
                 std::to_string(seen[place]) + " seen\n";
    }
    for (const auto& [place, count] : seen)
        if (!truth.contains(place))
            wrong += place.file + ":" + std::to_string(place.line) + " " + place.function + ": none kept, " + std::to_string(count) + " seen\n";
    CHECK(wrong.substr(0, 2000) == "");
}

void check_short_lived(const Interpreter& interpreter) {
    const Run run = trace_script(interpreter, short_lived, 3000);
    REQUIRE(std::stoul(word_after(run.output, "addresses")) < 1000);  // or the rule was not put to the test
    check_names(run);
}

}  // namespace

RULE("thousands of functions that died at the same few addresses each keep their own file, line and name (static Python)") {
    check_short_lived(static_python());
}

RULE("thousands of functions that died at the same few addresses each keep their own file, line and name (shared Python)") {
    check_short_lived(shared_python());
}

RULE("a dead function whose frame was never visible does not hide the next one at its address") {
    const Run run = trace_script(static_python(), hidden_then_seen, 0);
    REQUIRE(std::stoul(word_after(run.output, "shared")) > 100);
    check_names(run);
}

RULE("when news is dropped names are missing, but no block stands under another's") {
    constexpr std::uint64_t kept_bytes = 633;  // bytes(600) as an object: what the script keeps and nothing else is as large
    const Run run = trace_script(static_python(), short_lived, 6000, false);
    const auto truth = truth_of(run.output);
    std::uint64_t kept = 0, named = 0, unnamed = 0;
    for (const auto& [place, count] : truth) kept += count;
    std::string wrong;
    for (const auto& [place, count] : live_places(run.snapshot, "/made/up/")) {
        const auto found = truth.find(place);
        named += count;
        if (found == truth.end() || found->second != count)
            wrong += place.file + ":" + std::to_string(place.line) + " " + place.function + ": " + std::to_string(count) + " seen\n";
    }
    for (const Site& site : run.snapshot.sites)
        if (run.snapshot.text(run.snapshot.frame(site.frames.front()).file) == "<unknown>" &&
            site.counters.live_bytes() == kept_bytes * site.counters.live_blocks())
            unnamed += site.counters.live_blocks();
    CHECK(wrong.substr(0, 2000) == "");
    CHECK(named > 0);
    CHECK(unnamed > 0);
    CHECK(named + unnamed == kept);
}
