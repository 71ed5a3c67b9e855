// --mark on the command line: in a program run from its start, in its children, in the report.
#include <fmt/format.h>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/process.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

constexpr const char* forker = R"(
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
__attribute__((noinline)) void *load(int size) { void *p = malloc(size); __asm__ volatile(""); return p; }
int main(void)
{
    load(1000);
    if (fork() == 0) {
        load(24);
        return 0;
    }
    wait(NULL);
    return 0;
}
)";

std::string compiled(const TemporaryFolder& folder) {
    write_text(folder.file("forker.c"), forker);
    Child compiler = run({"gcc", "-O1", "-g", "-fno-builtin", "-o", folder.file("forker"), folder.file("forker.c")});
    REQUIRE(compiler.wait() == Ending{false, 0});
    return folder.file("forker");
}

}  // namespace

RULE("--mark shows what was held before and after each call, from a program's start and in its children") {
    const TemporaryFolder folder;
    const std::string program = compiled(folder);
    const CommandTrace alone = trace_command({program}, {"--mark", "load"});
    CHECK(alone.ending == Ending{false, 0});
    const std::string report = alone.process.transcript();
    INFO(report);
    CHECK(contains(report, "1         0 B  Before load()\n"));
    CHECK(contains(report, "2      1000 B  After load()\n"));
    CHECK_FALSE(contains(report, "load()-2"));
    CHECK(lost(alone.snapshot) == "");

    const CommandTrace both = trace_command({program}, {"--mark", "forker:load", "--follow"});
    CHECK(both.ending == Ending{false, 0});
    const std::string followed = both.process.transcript();
    INFO(followed);
    CHECK(contains(followed, "Before load()-2\n"));
    CHECK(contains(followed, "4      1024 B  "));
    CHECK(contains(followed, "After load()-2\n"));
    CHECK(lost(both.snapshot) == "");
}

RULE("a function that cannot be one is refused at once, and one that is nowhere is told of in the report") {
    Child wrong = run(tracer_command({"--mark", "lib:", "--", "/bin/true"}));
    CHECK(wrong.wait() == Ending{false, 2});
    CHECK(contains(wrong.errors(), "LIB:SYMBOL"));
    const CommandTrace nowhere = trace_command({"/bin/true"}, {"--mark", "no_such_function"});
    CHECK(contains(nowhere.process.transcript(), "mark no_such_function: no such function was loaded"));
}

RULE("--threads traces from the command line, and nothing is lost") {
    const CommandTrace trace = trace_command(
        {"/usr/bin/python3", "-c", "import threading; t = threading.Thread(target=lambda: bytes(5000)); t.start(); t.join()"}, {"--threads"});
    CHECK(trace.ending == Ending{false, 0});
    CHECK(lost(trace.snapshot) == "");
    CHECK_FALSE(trace.snapshot.sites.empty());
}

RULE("a place that is no function's beginning gets no mark, and the program runs on as it would") {
    const TemporaryFolder folder;
    const std::string program = compiled(folder);
    Child symbols = run({"nm", program});
    REQUIRE(symbols.wait() == Ending{false, 0});
    const std::string& list = symbols.output();
    const std::size_t line = list.find(" T load\n");
    REQUIRE(line != std::string::npos);
    const std::uint64_t load = std::stoull(list.substr(list.rfind('\n', line) + 1), nullptr, 16);
    for (const std::uint64_t inside : {load + 1, load + 4}) {
        const std::string place = fmt::format("forker+{:#x}", inside);
        const CommandTrace trace = trace_command({program}, {"--mark", place});
        CHECK(trace.ending == Ending{false, 0});
        CHECK(contains(trace.process.transcript(), "mark " + place + ": no function is known to begin there"));
        CHECK(trace.snapshot.marks.empty());
    }
    const CommandTrace trace = trace_command({program}, {"--mark", fmt::format("forker+{:#x}", load)});
    REQUIRE(trace.snapshot.marks.size() == 2);
    CHECK(trace.snapshot.marks[1].traced_bytes == trace.snapshot.marks[0].traced_bytes + 1000);
}
