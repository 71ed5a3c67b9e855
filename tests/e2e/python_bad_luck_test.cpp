// What may go wrong around an interpreter that is traced: it goes on unharmed, and the tracer says what it does not see.
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

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

constexpr const char* left_redirected = "left redirected by an earlier tracer";
constexpr const char* not_traced = "Python is not traced";

std::string notes(const Snapshot& snapshot) {
    std::string text;
    for (const std::string& note : snapshot.notes) text += note + "\n";
    return text;
}

bool says(const Snapshot& snapshot, const std::string& text) { return notes(snapshot).find(text) != std::string::npos; }

Child start_ledger(const std::string& option = {}) {
    std::vector<std::string> arguments{"stress_ledger.py"};
    if (!option.empty()) arguments.push_back(option);
    return start_stress(static_python(), arguments);
}

// Lets the workload make its blocks; what it has printed of them.
Ledger go(Child& program) {
    program.send_line("go");
    program.wait_line("done");
    // Of several ledgers, each line of a later one takes the place of an earlier one's.
    return parse_ledger(program.output());
}

void require_exact(const Snapshot& snapshot, const Ledger& ledger) {
    CHECK(differences(ledger.lines, domain_lines(snapshot, ledger.lines)) == "");
    CHECK(lost(snapshot) == "");
    CHECK(inconsistencies(snapshot) == "");
    INFO(notes(snapshot));
    CHECK(!says(snapshot, not_traced));
}

void require_end(Child& program) {
    program.send_line("end");
    INFO(program.transcript());
    REQUIRE(program.wait() == Ending{false, 0});
}

// A tracer beginning now sees everything, finds nothing left by an earlier one, and puts the tables back.
void require_traceable(Child& program) {
    const std::string tables = allocator_tables(program);
    Tracer tracer = Tracer::attach(program);
    const Ledger ledger = go(program);
    const Snapshot snapshot = tracer.stop();
    require_exact(snapshot, ledger);
    CHECK(!says(snapshot, left_redirected));
    REQUIRE(allocator_tables(program) == tables);
}

// Ended in order: by its own decision, an error told.
void require_orderly(Child& tracer) {
    const Ending ending = tracer.wait();
    INFO(tracer.transcript());
    REQUIRE(!ending.signaled);
    if (ending.code != 0) REQUIRE(tracer.errors().find("memtrace-bpf: ") != std::string::npos);
}

// Delays that are spread over a stage of the target's life; the same in every run.
class Moments {
public:
    Moments(int count, unsigned up_to_ms) : left_(count), delay_us_(0, up_to_ms * 1000) {}
    bool next() { return left_-- > 0; }
    void pass() {
        const unsigned delay = delay_us_(random_);
        text_ = std::to_string(delay) + " us";
        usleep(delay);
    }
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    int left_;
    std::uniform_int_distribution<unsigned> delay_us_;
    std::mt19937 random_{20};
    std::string text_;
};

int times(const char* what, int count, int long_count) {
    if (long_run()) return long_count;
    std::cout << what << ": " << count << " times (" << long_count << " with MEMTRACE_LONG=1)" << std::endl;
    return count;
}

}  // namespace

RULE("an interpreter that executes itself anew at any moment while we attach runs on with tables of its own") {
    require_root();
    const Leftovers before = Leftovers::now();
    Moments moments(times("exec while attaching", 12, 100), 700);
    while (moments.next()) {
        Child program = start_ledger();
        Child tracer(tracer_command({"-p", std::to_string(program.pid()), "--duration", "0.2"}));
        moments.pass();
        program.send_line("exec");
        program.wait_line("ready");
        INFO("exec after " << moments.text());
        require_orderly(tracer);
        require_traceable(program);
        require_end(program);
    }
    before.require_nothing_new();
}

RULE("an interpreter that ends at any moment while we attach ends well") {
    require_root();
    const Leftovers before = Leftovers::now();
    Moments moments(times("exit while attaching", 12, 100), 700);
    while (moments.next()) {
        Child program = start_ledger();
        Child tracer(tracer_command({"-p", std::to_string(program.pid()), "--duration", "0.2"}));
        moments.pass();
        INFO("exit after " << moments.text());
        require_end(program);
        require_orderly(tracer);
    }
    before.require_nothing_new();
}

RULE("an interpreter that is still starting when we attach comes up whole, and is traced exactly once it is up") {
    require_root();
    const Interpreter interpreter = static_python();
    std::string tables;
    {
        Child reference = start_ledger();
        tables = allocator_tables(reference);  // no position-independent code: the same in every process
    }
    const Leftovers before = Leftovers::now();
    Moments moments(times("attach while starting", 15, 50), 40);
    int traced = 0;
    while (moments.next()) {
        const TemporaryFolder folder;
        Child program({interpreter.path, script_path("stress_ledger.py")}, {{{"PYTHONDONTWRITEBYTECODE", "1"}}});
        moments.pass();
        INFO("attached after " << moments.text());
        Child tracer(tracer_command({"-p", std::to_string(program.pid()), "-o", folder.file("s.pb.gz")}));
        program.wait_line("ready");
        const bool tracing = eventually([&] { return !tracer.running() || std::filesystem::exists("/proc/" + std::to_string(tracer.pid())); });
        REQUIRE(tracing);
        // Either it has begun to trace, or it has given up: this early there may be no library to trace yet.
        const Ledger ledger = [&] {
            if (tracer.running()) usleep(1000000);  // the tables are looked at again within 50 ms; attaching itself takes longer
            return go(program);
        }();
        if (tracer.running()) {
            tracer.signal(SIGINT);
            require_orderly(tracer);
            require_exact(load_snapshot(folder.file("s.pb.gz")), ledger);
            ++traced;
        } else {
            require_orderly(tracer);
        }
        REQUIRE(allocator_tables(program) == tables);
        require_end(program);
    }
    CHECK(traced > 0);
    before.require_nothing_new();
}

RULE("an interpreter that is ending when we attach, in its atexit functions or taking its modules apart, ends well") {
    require_root();
    const Leftovers before = Leftovers::now();
    Moments moments(times("attach while ending", 8, 50), 900);
    while (moments.next()) {
        Child program = start_ledger("--slow-end");
        program.send_line("end");
        program.wait_line("ending");
        moments.pass();
        Child tracer(tracer_command({"-p", std::to_string(program.pid())}));
        INFO("attached " << moments.text() << " after the end began");
        REQUIRE(program.wait() == Ending{false, 0});
        require_orderly(tracer);
    }
    before.require_nothing_new();
}

RULE("tables left by a killed tracer are recognised and reported, traced exactly, and put back") {
    Child program = start_ledger();
    const std::string tables = allocator_tables(program);
    const std::uint64_t code = code_hash(program.pid());
    const Leftovers before = Leftovers::now();
    {
        Tracer killed = Tracer::attach(program);
        go(program);
        killed.process().signal(SIGKILL);
        REQUIRE(killed.process().wait() == Ending{true, SIGKILL});
    }
    const std::string left = allocator_tables(program);
    REQUIRE(left != tables);
    Tracer next = Tracer::attach(program);
    const Ledger ledger = go(program);
    const Snapshot snapshot = next.stop();
    require_exact(snapshot, ledger);
    INFO(notes(snapshot));
    CHECK(says(snapshot, left_redirected));
    CHECK(loss(snapshot, MT_UNTRACKED_FREES) >= 100);
    REQUIRE(allocator_tables(program) == tables);
    require_code(program.pid(), code);
    before.require_nothing_new();
    require_end(program);
}

namespace {

// Every libpython we can put into one process: the distribution's and those of ~/.pyenv, as LIBRARY HOME pairs of different minors.
std::vector<std::vector<std::string>> loadable_pythons() {
    std::vector<std::vector<std::string>> found;
    for (const Interpreter& interpreter : pyenv_pythons()) {
        const std::filesystem::path home = std::filesystem::path(interpreter.path).parent_path().parent_path();
        const std::string name = "lib" + std::filesystem::path(interpreter.path).filename().string() + ".so.1.0";
        found.push_back({home / "lib" / name, home});
    }
    return found;
}

void require_several_in_one_process(std::vector<std::string> command) {
    command.insert(command.begin(), workload_path("python_pair"));
    const std::size_t pythons = (command.size() - 1) / 2;
    Child program(command);
    program.wait_line("ready");
    const std::uint64_t code = code_hash(program.pid());
    const Leftovers before = Leftovers::now();
    for (int round = 0; round < 2; ++round) {
        Tracer tracer = Tracer::attach(program, {"--frames", "8"});
        const Ledger ledger = go(program);
        const Snapshot snapshot = tracer.stop();
        INFO(program.transcript() << notes(snapshot));
        CHECK(ledger.lines.size() == pythons);
        require_exact(snapshot, ledger);
        CHECK(!says(snapshot, left_redirected));
        for (const Site& site : snapshot.sites) {
            std::set<std::string> files;
            for (const FrameId id : site.frames) {
                const std::string& file = snapshot.text(snapshot.frame(id).file);
                if (file.starts_with("python_") && file.ends_with(".py")) files.insert(file);
            }
            CHECK(files.size() <= 1);
        }
    }
    require_code(program.pid(), code);
    before.require_nothing_new();
    require_end(program);
}

}  // namespace

RULE("two CPythons of different versions in one process are both traced exactly, neither under the other's lines") {
    require_root();
    const auto pythons = loadable_pythons();
    if (pythons.size() < 2) skip("there are no two shared libpythons of different versions in ~/.pyenv");
    for (std::size_t i = 0; i + 1 < pythons.size(); ++i) {
        const std::vector<std::string>& one = pythons[i];
        const std::vector<std::string>& other = pythons[i + 1];
        DYNAMIC_SECTION(one.front() << " and " << other.front()) { require_several_in_one_process({one[0], one[1], other[0], other[1]}); }
    }
}

RULE("four CPythons in one process are traced exactly") {
    require_root();
    const auto pythons = loadable_pythons();
    if (pythons.size() < 4) skip("there are no four shared libpythons of different versions in ~/.pyenv");
    std::vector<std::string> command;
    for (auto python = pythons.end() - 4; python != pythons.end(); ++python) command.insert(command.end(), python->begin(), python->end());
    require_several_in_one_process(command);
}

RULE("frames that lead in a circle, to nowhere or into noise are bounded and counted, and the trace stays exact") {
    require_root();
    for (const char* frames : {"1", "16", "128"}) DYNAMIC_SECTION("--frames " << frames) {
            Child program = start_stress(static_python(), {"stress_corrupt.py"});
            const std::string tables = allocator_tables(program);
            Tracer tracer = Tracer::attach(program, {"--frames", frames});
            program.send_line("attack");
            const std::uint64_t attacked = std::stoull(program.wait_line("attacked ").substr(9));
            const Ledger ledger = go(program);
            const Snapshot snapshot = tracer.stop();
            REQUIRE(attacked > 5000);
            CHECK(domain_total(snapshot, "obj").allocated_blocks >= attacked + 500);
            require_exact(snapshot, ledger);
            CHECK(loss(snapshot, MT_PYTHON_UNREADABLE) > 0);
            for (const Site& site : snapshot.sites) CHECK(site.frames.size() <= 2 * std::stoul(frames));
            if (std::string(frames) != "1") CHECK(loss(snapshot, MT_TRUNCATED_STACKS) > 0);
            REQUIRE(allocator_tables(program) == tables);
            require_end(program);
        }
}

namespace {

// Blocks that native code asked for by ctypes: "NATIVE BLOCKS BYTES" is printed after each round.
LineTotals native_ledger(const Child& program) {
    const std::string& output = program.output();
    std::istringstream words(output.substr(output.rfind("NATIVE ")));
    std::string kind;
    LineTotals totals;
    words >> kind >> totals.live_blocks >> totals.live_bytes;
    return totals;
}

}  // namespace

RULE("an allocator in memory that belongs to no file is left alone, the reason told, and native blocks are still counted") {
    Child program = start_ledger("--replace-allocator");
    const std::string tables = allocator_tables(program);
    Tracer tracer = Tracer::attach(program);
    go(program);
    const std::string during = allocator_tables(program);
    const Snapshot snapshot = tracer.stop();
    INFO(notes(snapshot));
    CHECK(says(snapshot, "domain obj is not traced"));
    CHECK(says(snapshot, "no code of a known file"));
    CHECK(lost(snapshot) == "");
    const auto words = [](const std::string& text) {
        std::istringstream stream(text);
        return std::vector<std::string>(std::istream_iterator<std::string>(stream), {});
    };
    const auto before_words = words(tables), during_words = words(during);
    REQUIRE(before_words.size() == 16);
    CHECK(std::equal(before_words.begin() + 11, before_words.end(), during_words.begin() + 11));  // the obj table
    const LineTotals native = native_ledger(program);
    CHECK(native.live_blocks == 100);
    LineTotals seen;
    for (const Site& site : snapshot.sites)
        if (site.counters.allocated_blocks == native.live_blocks && site.counters.allocated_bytes == native.live_bytes) {
            seen.live_blocks += site.counters.live_blocks();
            seen.live_bytes += site.counters.live_bytes();
        }
    CHECK(seen == native);
    REQUIRE(allocator_tables(program) == tables);
    require_end(program);
}

RULE("a program that forbids to be looked at (PR_SET_DUMPABLE 0) is traced all the same by root") {
    require_root();
    Child program = start_ledger("--undumpable");
    require_traceable(program);
    require_end(program);
}

namespace {

// The debugger of another process, as far as it is in anybody's way: it occupies the target's one place for a tracer.
class OtherTracer {
public:
    explicit OtherTracer(pid_t pid) : pid_(pid) { held_ = ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0; }
    ~OtherTracer() {
        if (!held_) return;
        ptrace(PTRACE_INTERRUPT, pid_, nullptr, nullptr);
        waitpid(pid_, nullptr, __WALL);
        ptrace(PTRACE_DETACH, pid_, nullptr, nullptr);
    }
    OtherTracer(const OtherTracer&) = delete;
    OtherTracer& operator=(const OtherTracer&) = delete;
    [[nodiscard]] bool held() const { return held_; }

private:
    pid_t pid_;
    bool held_ = false;
};

}  // namespace

RULE("a program under a debugger is traced all the same, and its tables are put back") {
    require_root();
    Child program = start_ledger();
    {
        const OtherTracer debugger(program.pid());
        REQUIRE(debugger.held());
        require_traceable(program);
    }
    require_traceable(program);
    require_end(program);
}

RULE("a program that strace follows is traced all the same, and its tables are put back") {
    require_root();
    Child look = run({"strace", "-V"});
    if (look.wait() != Ending{false, 0}) skip("strace is not installed");
    Child program = start_ledger();
    Child strace({"strace", "-f", "-e", "trace=none", "-o", "/dev/null", "-p", std::to_string(program.pid())});
    strace.wait_error_line("strace: Process ");
    require_traceable(program);
    strace.signal(SIGINT);
    strace.wait();
    require_end(program);
}

RULE("PYTHONMALLOC changes the allocators when the interpreter starts: a launched script is traced exactly with each of them") {
    const Interpreter interpreter = static_python();
    for (const char* allocator : {"default", "debug", "malloc", "malloc_debug", "pymalloc", "pymalloc_debug"}) DYNAMIC_SECTION(allocator) {
            const CommandTrace trace = trace_command({interpreter.path, script_path("stress_ledger.py"), "--at-once"}, {},
                                                     {{{"PYTHONMALLOC", allocator}, {"PYTHONDONTWRITEBYTECODE", "1"}}});
            INFO(trace.process.transcript());
            REQUIRE(trace.ending == Ending{false, 0});
            Ledger ledger = parse_ledger(trace.process.output());
            if (std::string(allocator) == "malloc") {  // one function for all three domains: shown as raw, a note says so
                auto line = ledger.lines.extract(ledger.lines.begin());
                line.key().replace(line.key().find('@'), std::string::npos, "@raw");
                ledger.lines.insert(std::move(line));
            }
            require_exact(trace.snapshot, ledger);
        }
}
