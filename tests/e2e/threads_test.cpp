// Threads and interpreters side by side: no block is ever shown under code of another thread, natively allocated ones included.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "model/statistics.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/ledger.hpp"
#include "support/leftovers.hpp"
#include "support/process.hpp"
#include "support/python.hpp"
#include "support/stress.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

// The files named like `prefix` that a site's Python frames lie in: the threads, or interpreters, it is shown under.
std::set<std::string> owners(const Snapshot& snapshot, const Site& site, const std::string& prefix) {
    std::set<std::string> files;
    for (const FrameId id : site.frames) {
        const Frame& frame = snapshot.frame(id);
        if (frame.python && snapshot.text(frame.file).starts_with(prefix)) files.insert(snapshot.text(frame.file));
    }
    return files;
}

std::string describe(const Snapshot& snapshot, const Site& site) {
    std::ostringstream text;
    text << snapshot.text(site.domain) << ", " << site.counters.allocated_blocks << " blocks, " << site.counters.allocated_bytes << " B\n";
    for (const FrameId id : site.frames)
        text << "    " << snapshot.text(snapshot.frame(id).file) << ":" << snapshot.frame(id).line << " "
             << snapshot.text(snapshot.frame(id).function) << "\n";
    return text.str();
}

// Stacks whose functions belong to more than one thread, or interpreter.
std::string mixed_stacks(const Snapshot& snapshot, const std::string& prefix) {
    std::string text;
    for (const Site& site : snapshot.sites)
        if (owners(snapshot, site, prefix).size() > 1) text += describe(snapshot, site);
    return text;
}

bool has_python_frame(const Snapshot& snapshot, const Site& site) {
    return std::any_of(site.frames.begin(), site.frames.end(), [&](FrameId id) { return snapshot.frame(id).python; });
}

bool is_below(const Snapshot& snapshot, const Site& site, const std::string& library) {
    return std::any_of(site.frames.begin(), site.frames.end(), [&](FrameId id) {
        const Frame& frame = snapshot.frame(id);
        return !frame.python && snapshot.text(frame.file).find(library) != std::string::npos;
    });
}

// Blocks of native code in `library`: who they are shown under ("" for nobody), and stacks without any Python line.
struct NativeBlocks {
    std::map<std::string, std::uint64_t> blocks_by_owner;
    std::string without_python;
};
NativeBlocks blocks_below(const Snapshot& snapshot, const std::string& library) {
    NativeBlocks found;
    for (const Site& site : snapshot.sites) {
        if (snapshot.text(site.domain) != "malloc" || !is_below(snapshot, site, library)) continue;
        const auto files = owners(snapshot, site, "thread_");
        found.blocks_by_owner[files.empty() ? "" : *files.begin()] += site.counters.allocated_blocks;
        if (!has_python_frame(snapshot, site)) found.without_python += describe(snapshot, site);
    }
    return found;
}

// Whether --lines native has a row for code of `library`.
bool shown_natively(const Snapshot& snapshot, const std::string& library) {
    const auto rows = statistics(snapshot, {.lines = memtrace::Lines::native});
    return std::any_of(rows.begin(), rows.end(), [&](const Statistic& row) { return row.place.file.find(library) != std::string_view::npos; });
}

LineTotals without_python(const Snapshot& snapshot, std::string& stacks) {
    LineTotals totals;
    for (const Site& site : snapshot.sites) {
        if (has_python_frame(snapshot, site) || snapshot.text(site.domain) != "malloc") continue;
        totals.live_blocks += site.counters.live_blocks();
        totals.live_bytes += site.counters.live_bytes();
        totals.allocated_blocks += site.counters.allocated_blocks;
        totals.allocated_bytes += site.counters.allocated_bytes;
        stacks += describe(snapshot, site);
    }
    return totals;
}

// "NATIVE BLOCKS BYTES": made by threads that are not Python's, and kept.
LineTotals foreign_blocks(const std::string& line) {
    std::istringstream words(line);
    std::string kind;
    LineTotals totals;
    words >> kind >> totals.live_blocks >> totals.live_bytes;
    totals.allocated_blocks = totals.live_blocks;
    totals.allocated_bytes = totals.live_bytes;
    return totals;
}

void require_own_threads(const Interpreter& interpreter, int seconds) {
    INFO(interpreter.name << " " << interpreter.path);
    const bool numpy = has_numpy(interpreter);
    Child program = start_stress(interpreter, {"stress_threads.py", std::to_string(seconds)});
    const std::string tables = allocator_tables(program);
    const Leftovers before = Leftovers::now();
    Tracer tracer = Tracer::attach(program, {"--frames", "16"});
    program.send_line("go");
    std::this_thread::sleep_for(std::chrono::seconds(seconds));  // may be longer than patience
    const LineTotals foreign = foreign_blocks(program.wait_line("NATIVE "));
    program.wait_line("done");
    const Snapshot snapshot = tracer.stop();

    const Ledger ledger = parse_ledger(program.output());
    REQUIRE(ledger.lines.size() == (numpy ? 24 : 16));
    CHECK(differences(ledger.lines, domain_lines(snapshot, ledger.lines)) == "");
    CHECK(mixed_stacks(snapshot, "thread_") == "");
    CHECK(lost(snapshot) == "");
    CHECK(loss(snapshot, MT_PYTHON_UNREADABLE) == 0);
    CHECK(inconsistencies(snapshot) == "");
    CHECK(foreign.live_blocks > 0);
    std::string stacks;
    const LineTotals seen = without_python(snapshot, stacks);
    INFO("stacks without Python:\n" << stacks);
    CHECK(differences({{"foreign threads", foreign}}, {{"foreign threads", seen}}) == "");

    std::vector<std::string> libraries{"libsqlite3"};
    if (numpy) libraries.emplace_back("_multiarray_umath");
    for (const std::string& library : libraries) {
        INFO(library);
        const NativeBlocks blocks = blocks_below(snapshot, library);
        CHECK(blocks.without_python == "");
        CHECK(shown_natively(snapshot, library));
        for (int number = 0; number < 8; ++number) CHECK(blocks.blocks_by_owner.count("thread_" + std::to_string(number) + ".py") == 1);
    }

    REQUIRE(allocator_tables(program) == tables);
    program.send_line("end");
    REQUIRE(program.wait() == Ending{false, 0});
    before.require_nothing_new();
}

}  // namespace

RULE("eight threads of mixed work: every block is shown under its own thread's lines, counted exactly, blocks made without the GIL included") {
    const int seconds = long_run() ? 60 : 10;
    std::cout << "threads: " << seconds << " s" << (long_run() ? "" : " (60 s with MEMTRACE_LONG=1)") << std::endl;
    require_own_threads(static_python(), seconds);
}

RULE("eight threads of mixed work on every other interpreter there is") {
    const std::vector<Interpreter> interpreters = pyenv_pythons();
    if (interpreters.empty()) skip("there are no interpreters in ~/.pyenv");
    for (const Interpreter& interpreter : interpreters) DYNAMIC_SECTION(interpreter.name) {
            require_own_threads(interpreter, 3);
        }
}

namespace {

// Of the numbered snapshots in the folder, one that was begun after now: the one behind the next.
Snapshot snapshot_after_now(const TemporaryFolder& folder) {
    const auto path = [&](int number) {
        const std::string digits = std::to_string(number);
        return folder.file(std::string(4 - digits.size(), '0') + digits + ".pb.gz");
    };
    int number = 1;
    while (std::filesystem::exists(path(number))) ++number;
    REQUIRE(eventually([&] { return std::filesystem::exists(path(number + 1)); }));
    return load_snapshot(path(number + 1));
}

void require_subinterpreters(const Interpreter& interpreter) {
    INFO(interpreter.name << " " << interpreter.path);
    Child program = start_stress(interpreter, {"stress_subinterpreters.py"});
    const std::string tables = allocator_tables(program);
    const TemporaryFolder folder;
    Tracer tracer = Tracer::attach(program, {"--frames", "16", "--snapshot-every", "0.2", "--snapshot-template", folder.file("$counter.pb.gz")});
    program.send_line("go");
    program.wait_line("done");
    const Ledger ledger = parse_ledger(program.output());
    const Snapshot held = snapshot_after_now(folder);
    program.send_line("drop");
    program.wait_line("dropped");
    const Snapshot dropped = tracer.stop();

    CHECK(differences(ledger.lines, domain_lines(held, ledger.lines)) == "");
    CHECK(mixed_stacks(held, "interpreter_") == "");
    test::Lines after = ledger.lines;
    for (auto& [name, totals] : after)
        if (name.find("main") == std::string::npos) totals.live_blocks = totals.live_bytes = 0;
    CHECK(differences(after, domain_lines(dropped, ledger.lines)) == "");
    CHECK(lost(dropped) == "");
    CHECK(loss(dropped, MT_PYTHON_UNREADABLE) == 0);
    for (const auto& [name, totals] : ledger.lines) {
        // make() below one() below work(), all of the same interpreter.
        const std::string file = name.substr(0, name.find(':'));
        for (const Site& site : held.sites) {
            if (line_name(held, site.frames.front()) + "@" + held.text(site.domain) != name) continue;
            INFO(describe(held, site));
            REQUIRE(site.frames.size() >= 3);
            CHECK(line_name(held, site.frames[1]) == file + ":11");
            CHECK(line_name(held, site.frames[2]) == file + ":16");
        }
    }
    REQUIRE(allocator_tables(program) == tables);
    program.send_line("end");
    REQUIRE(program.wait() == Ending{false, 0});
}

}  // namespace

RULE("subinterpreters: each one's blocks are counted under its own lines, and gone with it") { require_subinterpreters(static_python()); }

RULE("subinterpreters of every other interpreter there is, with allocators of their own from 3.12 on") {
    const std::vector<Interpreter> interpreters = pyenv_pythons();
    if (interpreters.empty()) skip("there are no interpreters in ~/.pyenv");
    for (const Interpreter& interpreter : interpreters) DYNAMIC_SECTION(interpreter.name) {
            require_subinterpreters(interpreter);
        }
}
