// Named moments: functions marked from outside, and marks in the code (include/memtrace_mark.h), with what is held just then.
#include <chrono>
#include <filesystem>
#include <thread>

#include "kernel/harness.hpp"
#include "support/catch.hpp"
#include "support/ledger.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

SessionOptions marked(const std::vector<std::string>& functions) {
    SessionOptions options;
    for (const std::string& function : functions) {
        Result<WantedMark> mark = parse_mark(function);
        if (!mark) FAIL(mark.error().what);
        options.marks.push_back(*std::move(mark));
    }
    return options;
}

// "NAME BYTES, ..." of a snapshot's marks.
std::string text_of(const Snapshot& snapshot) {
    std::string text;
    for (const Mark& mark : snapshot.marks) text += (text.empty() ? "" : ", ") + mark.name + " " + std::to_string(mark.traced_bytes);
    return text;
}

std::string note_of(const Snapshot& snapshot, const std::string& beginning) {
    for (const std::string& note : snapshot.notes)
        if (note.starts_with(beginning)) return note;
    return "";
}

std::string project_folder() { return std::filesystem::path(script_path("")).parent_path().parent_path().parent_path().parent_path(); }

std::string compile(const TemporaryFolder& folder, const std::string& name, const std::string& source, std::vector<std::string> command) {
    write_text(folder.file(name), source);
    const std::string out = folder.file(name + ".out");
    command.insert(command.end(), {"-g", "-fno-builtin", "-D_GNU_SOURCE", "-I", project_folder() + "/include", "-o", out, folder.file(name)});
    Child compiler = run(command);
    const Ending ending = compiler.wait();
    INFO(compiler.transcript());
    REQUIRE(ending == Ending{false, 0});
    return out;
}

// Runs a program that prints "ready", waits for a line, and prints "done" when it has done its work.
Snapshot traced(const std::string& program, const SessionOptions& options) {
    Child child({program});
    child.wait_line("ready");
    Trace trace(child, options);
    child.send_line("go");
    trace.wait_line(child, "done", std::chrono::minutes(4));
    const Snapshot snapshot = trace.look();
    child.send_line("go");
    CHECK(child.wait() == Ending{false, 0});
    return snapshot;
}

// Without buffers of its own, which would be allocated in between.
constexpr const char* frame = R"(
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define HIDDEN __attribute__((noinline, noclone))
static void say(const char *text) { if (write(1, text, strlen(text)) < 0) _exit(9); }
static void wait_for_line(void) { char c; while (read(0, &c, 1) == 1 && c != '\n'); }
void work(void);
int main(void)
{
    say("ready\n");
    wait_for_line();
    work();
    say("done\n");
    wait_for_line();
    return 0;
}
)";

}  // namespace

RULE("a marked function leaves what is held before and after each of its calls") {
    const TemporaryFolder folder;
    const std::string program = compile(folder, "calls.c", std::string(frame) + R"(
HIDDEN void *load(int size) { if (size == 2) return NULL; return malloc(size); }
HIDDEN int down(int depth) { if (depth == 0) return 0; free(malloc(10)); return down(depth - 1) + 1; }
void work(void) { load(100); void *b = load(50); free(b); load(2); down(1); }
)",
                                        {"gcc", "-O1"});
    const Snapshot snapshot = traced(program, marked({"load", "calls.c.out:down"}));
    CHECK(text_of(snapshot) ==
          "Before load() 0, After load() 100, Before load()-2 100, After load()-2 150, Before load()-3 100, After load()-3 100, "
          "Before down() 100, Before down()-2 100, After down() 100, After down()-2 100");
    CHECK(note_of(snapshot, "mark ") == "");
    CHECK(snapshot.marks_dropped == 0);
    CHECK(lost(snapshot) == "");
    for (std::size_t i = 1; i < snapshot.marks.size(); ++i) CHECK(snapshot.marks[i - 1].time <= snapshot.marks[i].time);
    CHECK(std::chrono::abs(snapshot.marks.back().time - snapshot.time) < std::chrono::seconds(60));
}

RULE("calls that end by a tail call are seen to end; those left by longjmp are not, and a note says how many") {
    const TemporaryFolder folder;
    const std::string program = compile(folder, "tails.c", std::string(frame) + R"(
static jmp_buf back;
HIDDEN void *inner(int size) { void *block = malloc(size); __asm__ volatile(""); return block; }
HIDDEN void *outer(int size) { return inner(size + 1); }
HIDDEN int leaves(int how) { free(malloc(8)); if (how) longjmp(back, 1); return how; }
void work(void) { outer(10); if (!setjmp(back)) leaves(1); leaves(0); }
)",
                                        {"gcc", "-O2"});
    const Snapshot snapshot = traced(program, marked({"outer", "leaves"}));
    CHECK(text_of(snapshot) == "Before outer() 0, After outer() 11, Before leaves() 11, Before leaves()-2 11, After leaves() 11");
    CHECK(note_of(snapshot, "mark leaves: ").starts_with("mark leaves: 1 calls were not seen to end"));
    CHECK(note_of(snapshot, "mark outer: ") == "");
    CHECK(lost(snapshot) == "");
}

RULE("an exception passes a marked function unharmed") {
    const TemporaryFolder folder;
    std::string source = frame;
    source += R"(
#include <vector>
HIDDEN int thrower(int how) { if (how > 1) throw how; return how; }
HIDDEN int between(int how) { std::vector<int> v(10 + how); return thrower(how) + (int)v.size(); }
void work(void) { for (int i = 0; i < 4; i++) try { between(i); } catch (int) {} }
)";
    const std::string program = compile(folder, "throws.cpp", source, {"g++", "-O2"});
    const Snapshot snapshot = traced(program, marked({"_Z7betweeni", "_Z7throweri"}));
    std::size_t begun = 0, ended = 0;
    for (const Mark& mark : snapshot.marks) {
        begun += mark.name.starts_with("Before _Z7betweeni()");
        ended += mark.name.starts_with("After _Z7betweeni()");
    }
    CHECK(begun == 4);
    CHECK(ended == 2);
    CHECK(note_of(snapshot, "mark _Z7betweeni: ").starts_with("mark _Z7betweeni: 2 calls were not seen to end"));
}

RULE("a million calls of a marked function cost marks, which are counted, and no allocation") {
    const TemporaryFolder folder;
    const std::string program = compile(folder, "hot.c", std::string(frame) + R"(
HIDDEN void *hot(int size) { return malloc(size); }
void work(void) { for (int i = 0; i < 1000000; i++) { void *p = hot(24); if (i % 10) free(p); } }
)",
                                        {"gcc", "-O1", "-fno-optimize-sibling-calls"});
    const Snapshot snapshot = traced(program, marked({"hot"}));
    CHECK(lost(snapshot) == "");
    CHECK(domain_total(snapshot, "malloc") == Counters{1'000'000, 24'000'000, 900'000, 21'600'000, 900'000});
    CHECK(snapshot.marks.size() <= 100'000);
    CHECK(snapshot.marks.size() + snapshot.marks_dropped + loss(snapshot, MT_MARKS_DROPPED) == 2'000'000);
    CHECK(note_of(snapshot, "mark ") == "");
}

RULE("a function of a library that is loaded while the target runs is marked soon, and one that is nowhere is told of") {
    const TemporaryFolder folder;
    const std::string library = compile(folder, "shop.c", "#include <stdlib.h>\nvoid *shop_open(int size) { void *p = malloc(size); return p; }\n",
                                        {"gcc", "-O1", "-shared", "-fPIC"});
    std::filesystem::rename(library, folder.file("libshop.so.1"));
    const std::string program = compile(folder, "loads.c",
                                        std::string(frame) + "#include <dlfcn.h>\nvoid work(void) { void *h = dlopen(\"" +
                                            folder.file("libshop.so.1") +
                                            "\", RTLD_NOW); if (!h) _exit(4); say(\"loaded\\n\"); wait_for_line();"
                                            "((void *(*)(int))dlsym(h, \"shop_open\"))(777); }\n",
                                        {"gcc", "-O1"});
    for (const char* name : {"shop_open", "shop:shop_open", "libshop:shop_open"}) {
        INFO(name);
        Child child({program});
        child.wait_line("ready");
        Trace trace(child, marked({name, "nowhere"}));
        CHECK(note_of(trace.look(), std::string("mark ") + name) != "");
        child.send_line("go");
        child.wait_line("loaded");
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        trace.session().follow_new_code();
        child.send_line("go");
        child.wait_line("done");
        const Snapshot snapshot = trace.stop();
        REQUIRE(snapshot.marks.size() == 2);
        CHECK(snapshot.marks[0].name == "Before shop_open()");
        CHECK(snapshot.marks[1].name == "After shop_open()");
        CHECK(snapshot.marks[1].traced_bytes - snapshot.marks[0].traced_bytes == 777);
        CHECK(note_of(snapshot, std::string("mark ") + name) == "");
        CHECK(note_of(snapshot, "mark nowhere: ") == "mark nowhere: no such function was loaded");
    }
}

RULE("an exception passes a marked function that had a return probe before the library that throws was loaded") {
    const TemporaryFolder folder;
    const std::string library = compile(folder, "throws.cpp", R"(
extern "C" int thrower(int how) { throw how; }
extern "C" int catcher(int (*call)(int)) { try { return call(41); } catch (int how) { return how; } }
)",
                                        {"g++", "-O1", "-shared", "-fPIC"});
    const std::string program = compile(folder, "tail.c", std::string(frame) + R"(
#include <dlfcn.h>
static int inner(int how) { return how + 1; }
static int (*volatile next)(int) = inner;
HIDDEN int outer(int how) { return next(how + 1); }
void work(void)
{
    if (outer(1) != 3) _exit(5);
    void *h = dlopen(")" + library + R"(", RTLD_NOW);
    if (!h) _exit(4);
    say("loaded\n");
    wait_for_line();
    next = (int (*)(int))dlsym(h, "thrower");
    if (((int (*)(int (*)(int)))dlsym(h, "catcher"))(outer) != 42) _exit(6);
}
)",
                                        {"gcc", "-O2", "-fexceptions"});
    Child child({program});
    child.wait_line("ready");
    Trace trace(child, marked({"outer"}));
    child.send_line("go");
    child.wait_line("loaded");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    (void)trace.session().follow_new_code();
    child.send_line("go");
    child.wait_line("done");
    const Snapshot snapshot = trace.stop();
    REQUIRE(snapshot.marks.size() == 3);
    CHECK(snapshot.marks[0].name == "Before outer()");
    CHECK(snapshot.marks[1].name == "After outer()");
    CHECK(snapshot.marks[2].name == "Before outer()-2");
    CHECK(note_of(snapshot, "mark outer: not every end of a call is seen") != "");
    child.send_line("go");
    CHECK(child.wait() == Ending{false, 0});
}

RULE("marks in C and C++ code are found in programs and libraries, optimised or not, under the names they give") {
    const TemporaryFolder folder;
    const std::string body = std::string(frame) + R"(
#include <memtrace_mark.h>
HIDDEN void *get(int size) { void *p = malloc(size); MEMTRACE_MARK("got one"); return p; }
static void named(int i) { char name[300]; memset(name, 'x', 299); name[299] = 0; name[0] = 'a' + i; MEMTRACE_MARK(i == 2 ? "" : i ? name : "short"); }
void work(void)
{
    MEMTRACE_MARK("begin");
    get(100);
    get(11);
    for (int i = 0; i < 2; i++) named(i);
    MEMTRACE_MARK("\xff\x1b[2J");
}
)";
    const std::string expected = "begin 0, got one 100, got one-2 111, short 111, b" + std::string(254, 'x') + " 111, \xff\x1b[2J 111";
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{{"gcc", "-O0"},
                                                                                         {"gcc", "-O2"},
                                                                                         {"g++", "-x", "c++", "-fpermissive", "-w", "-O0"},
                                                                                         {"g++", "-x", "c++", "-w", "-O2"},
                                                                                         {"gcc", "-O2", "-no-pie"}}) {
        INFO(command[0] << " " << command.back());
        const Snapshot snapshot = traced(compile(folder, "marks.c", body, command), {});
        CHECK(text_of(snapshot) == expected);
        CHECK(lost(snapshot) == "");
    }
    const std::string library = compile(folder, "lib.c", "#include <memtrace_mark.h>\nvoid work(void) { MEMTRACE_MARK(\"in the library\"); }\n",
                                        {"gcc", "-O2", "-shared", "-fPIC"});
    const std::string program = compile(folder, "main.c", frame, {"gcc", "-O2", "-Wl,--no-as-needed", library, "-Wl,-rpath," + folder.file("")});
    CHECK(text_of(traced(program, {})) == "in the library 0");
}

RULE("a name that cannot be read is no reason to fall") {
    const TemporaryFolder folder;
    const std::string program = compile(folder, "bad.c", std::string(frame) + R"(
#include <memtrace_mark.h>
void work(void) { MEMTRACE_MARK((const char *)8); MEMTRACE_MARK((const char *)~0UL); MEMTRACE_MARK((const char *)0xffff800000000000); }
)",
                                        {"gcc", "-O1", "-w"});
    const Snapshot snapshot = traced(program, {});
    CHECK(text_of(snapshot) == "<unreadable> 0, <unreadable>-2 0, <unreadable>-3 0");
}
