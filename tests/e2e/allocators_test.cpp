// Allocators other than the C library's, and operator new where it is no plain call of malloc: ledgers under each of them.
#include <filesystem>
#include <string>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/process.hpp"
#include "support/traced_ledger.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

// Built where the allocator is installed.
void require_workload(const std::string& workload) {
    if (!std::filesystem::exists(workload_path(workload))) skip("not built, its library is not installed: " + workload);
}

std::string library(const std::string& name) {
    for (const char* folder : {"/usr/lib/x86_64-linux-gnu/", "/usr/lib64/", "/usr/local/lib/"})
        if (std::filesystem::exists(folder + name)) return folder + name;
    skip("not installed: " + name);
    return "";
}

const char* const jemalloc = "libjemalloc.so.2";
const char* const tcmalloc = "libtcmalloc_minimal.so.4";
const char* const mimalloc = "libmimalloc.so.2";

Environment preloaded(const std::string& libraries) { return {{"LD_PRELOAD", libraries}}; }

std::uint64_t hits_of(const Snapshot& snapshot, const std::string& hook) {
    std::uint64_t hits = 0;
    for (const Probe& probe : snapshot.probes)
        if (probe.hook == hook) hits += probe.hits;
    return hits;
}

}  // namespace

RULE("every operator new and delete is exact under the C library, bad_alloc thrown and caught in each") { require_exact("ledger_new"); }

RULE("every operator new and delete is exact under a preloaded allocator, bad_alloc thrown and caught in each") {
    const std::string name = GENERATE(jemalloc, tcmalloc, mimalloc);
    DYNAMIC_SECTION(name) { require_exact("ledger_new", {}, preloaded(library(name))); }
}

RULE("every operator new and delete is exact with an allocator that the program is linked with") {
    const std::string name = GENERATE("ledger_new_jemalloc", "ledger_new_tcmalloc", "ledger_new_mimalloc");
    DYNAMIC_SECTION(name) {
        require_workload(name);
        require_equal(trace_from_start(name));
    }
}

RULE("they are with an allocator inside of the executable, and in one without any library") {
    const std::string name = GENERATE("ledger_new_jemalloc_static", "ledger_new_static");
    DYNAMIC_SECTION(name) {
        require_workload(name);
        require_exact(name);
    }
}

RULE("operator new has whole stacks under an allocator of its own, too") {
    const Traced traced = trace_attached("ledger_new", {"--frames", "16"}, preloaded(library(jemalloc)));
    require_equal(traced);
    REQUIRE(hits_of(traced.snapshot, "operator new(unsigned long)") > 0);
    for (const Site& site : traced.snapshot.sites)
        if (line_name(traced.snapshot, site.frames.front()).starts_with("ledger_new.cpp")) REQUIRE(site.frames.size() > 1);
}

RULE("operators that are plain calls of malloc are looked through, not probed") {
    const Traced traced = trace_attached("ledger_new");
    for (const Probe& probe : traced.snapshot.probes) REQUIRE_FALSE(probe.hook.starts_with("operator"));
}

RULE("a program's own operators count the blocks it asked for, not malloc's that they are made of") { require_exact("ledger_own_new"); }

RULE("an allocator with names of its own is traced when its prefix is known") { require_exact("ledger_prefix", {"--allocator-prefix", "shop_"}); }

RULE("without the prefix only the C library's blocks are seen") {
    const Traced traced = trace_attached("ledger_prefix");
    const Counters seen = domain_total(traced.snapshot, "malloc");
    REQUIRE(seen.allocated_blocks == 200);
    REQUIRE(lost(traced.snapshot) == "");
}

RULE("jemalloc's own functions are exact: mallocx, rallocx, xallocx that resizes or does not, dallocx, sdallocx") {
    require_workload("ledger_jemalloc");
    require_exact("ledger_jemalloc");
}

RULE("mimalloc's own functions are exact, its heaps' among them") {
    require_workload("ledger_mimalloc");
    require_exact("ledger_mimalloc");
}

RULE("an allocator around another one is one allocator: blocks count once, with the size the program asked for") {
    SECTION("over the C library") { require_exact("ledger_portable", {}, preloaded(workload_path("preload.so"))); }
    SECTION("over jemalloc") { require_exact("ledger_portable", {}, preloaded(workload_path("preload.so") + " " + library(jemalloc))); }
}

RULE("C programs are exact under preloaded allocators") {
    const std::string name = GENERATE(jemalloc, tcmalloc, mimalloc);
    DYNAMIC_SECTION(name) { require_exact("ledger_portable", {}, preloaded(library(name))); }
}

RULE("CPython over a preloaded allocator: a block that passes through both counts once, at its Python line") {
    require_root();
    const std::string name = GENERATE(jemalloc, mimalloc);
    DYNAMIC_SECTION(name) {
        const TemporaryFolder folder;
        const std::string script = folder.file("holds.py");
        write_text(script, "import os\nheld = [None] * 1000\nfor i in range(1000):\n    held[i] = bytearray(10000)\nos._exit(0)\n");
        const CommandTrace trace = trace_command({"/usr/bin/env", "LD_PRELOAD=" + library(name), "/usr/bin/python3", script});
        INFO(trace.process.transcript());
        REQUIRE(trace.ending == Ending{false, 0});
        // A bytearray and its buffer of one byte more.
        const LineTotals line = lines_of_file(trace.snapshot, "holds.py").at("holds.py:4");
        REQUIRE(line.live_blocks == 2000);
        REQUIRE(line.live_bytes == (10001 + 56) * 1000);
        REQUIRE(lost(trace.snapshot) == "");
    }
}

RULE("musl is exact, as a library and inside of an executable; so is glibc, in one, too") {
    const std::string name = GENERATE("ledger_portable_musl", "ledger_portable_musl_static", "ledger_portable_static", "ledger_portable");
    DYNAMIC_SECTION(name) {
        require_workload(name);
        require_exact(name);
    }
}

RULE("a static program without its symbols is refused, and told why") {
    require_root();
    const TemporaryFolder folder;
    const std::string stripped = folder.file("stripped");
    Child strip = run({"objcopy", "--strip-all", workload_path("ledger_portable_static"), stripped});
    REQUIRE(strip.wait() == Ending{false, 0});
    Child program({stripped});
    program.wait_line("ready");
    Child tracer = run(tracer_command({"-p", std::to_string(program.pid())}));
    REQUIRE(tracer.wait() == Ending{false, 1});
    INFO(tracer.errors());
    REQUIRE(contains(tracer.errors(), "no allocator found"));
    REQUIRE(contains(tracer.errors(), "not stripped"));
}

RULE("a Go program is recognised: its own allocator cannot be seen") {
    require_root();
    const TemporaryFolder folder;
    const std::string go = folder.file("go");
    // The section that Go's own linker makes; the tracer looks no further.
    write_text(folder.file("table"), "go");
    Child mark = run({"objcopy", "--strip-all", "--add-section", ".gopclntab=" + folder.file("table"), workload_path("ledger_portable_static"), go});
    REQUIRE(mark.wait() == Ending{false, 0});
    Child program({go});
    program.wait_line("ready");
    Child tracer = run(tracer_command({"-p", std::to_string(program.pid())}));
    REQUIRE(tracer.wait() == Ending{false, 1});
    INFO(tracer.errors());
    REQUIRE(contains(tracer.errors(), "is a Go program"));
}
