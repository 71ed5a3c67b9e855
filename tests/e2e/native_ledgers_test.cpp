// Every workload's ledger against the snapshot, line by line: attached in the middle, and from the first instruction on.
#include <string>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/ledger.hpp"
#include "support/leftovers.hpp"
#include "support/process.hpp"
#include "support/traced_ledger.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

// At a thread's end glibc calls free for what its cache holds: the cache itself, and up to seven blocks of each size class that the
// program had freed before. Nobody allocated those (again), so they are untracked. ledger_threads uses two cached sizes; a third
// belongs to the thread's own tables.
constexpr std::uint64_t thread_end_frees = 8 * (1 + 3 * 7);

}  // namespace

RULE("malloc, calloc and free of one thread are counted exactly; free(NULL) and failing calls count nothing") { require_exact("ledger_single"); }

RULE("realloc frees the old block and allocates at its own line; one that fails changes nothing; to 0 it frees") { require_exact("ledger_realloc"); }

RULE("reallocarray is one allocation at its caller's line, not one of the realloc inside it") { require_exact("ledger_reallocarray"); }

RULE("the aligned family counts the size asked for, and nothing when it fails") { require_exact("ledger_aligned"); }

RULE("blocks freed by other threads than their makers are taken off their makers' lines") {
    const Traced attached = trace_attached("ledger_threads");
    require_equal_lines(attached);
    REQUIRE(loss(attached.snapshot, MT_UNTRACKED_FREES) <= thread_end_frees);
    const Traced started = trace_from_start("ledger_threads");
    require_equal_lines(started);
    REQUIRE(loss(started.snapshot, MT_UNTRACKED_FREES) <= thread_end_frees);
}

RULE("a million live blocks are counted exactly") { require_exact("ledger_million", {"--live-blocks", "1500000"}); }

RULE("what a forked child allocates and frees is not its parent's, not even blocks it inherited") { require_exact("ledger_fork"); }

RULE("children made by vfork and posix_spawn leave their parent's books alone") { require_exact("ledger_vfork_exec"); }

RULE("mappings count from mmap to munmap: unmapped in part, grown by mremap, and not at all when they fail") { require_exact("ledger_mmap"); }

RULE("frees of blocks older than the trace are untracked, all else is exact") { require_equal(trace_attached("ledger_old_blocks")); }

RULE("operator new, arrays and containers add up to what the program holds") {
    const Traced traced = trace_attached("ledger_cxx");
    const Counters seen = domain_total(traced.snapshot, "malloc");
    REQUIRE(traced.ledger.total.has_value());
    REQUIRE(seen.live_blocks() == traced.ledger.total->live_blocks);
    REQUIRE(seen.live_bytes() == traced.ledger.total->live_bytes);
    REQUIRE(lost(traced.snapshot) == "");
    REQUIRE(loss(traced.snapshot, MT_UNTRACKED_FREES) == 0);
    REQUIRE(inconsistencies(traced.snapshot) == "");
}

RULE("operator new in all its forms and strdup belong to the line that called them") { require_exact("ledger_wrappers"); }
RULE("they do with whole stacks, too") { require_exact("ledger_wrappers", {"--frames", "16"}); }

RULE("with --frames 16 a stack holds its sixteen newest frames, says that it was deeper, and is counted as truncated") {
    const Traced traced = trace_attached("deep_stack", {"--frames", "16"});
    require_equal(traced);
    const auto& [name, totals] = *traced.ledger.lines.begin();
    unsigned found = 0;
    for (const auto& site : traced.snapshot.sites) {
        if (line_name(traced.snapshot, site.frames.front()) != name) continue;
        ++found;
        REQUIRE(site.counters.allocated_blocks == totals.allocated_blocks);
        REQUIRE(site.frames.size() == 16);
        REQUIRE(site.total_frames > 16);
        for (std::size_t i = 1; i < site.frames.size(); ++i) REQUIRE(line_name(traced.snapshot, site.frames[i]) == traced.ledger.call);
    }
    REQUIRE(found == 1);
    REQUIRE(loss(traced.snapshot, MT_TRUNCATED_STACKS) >= 1);
    REQUIRE(traced.snapshot.frame_limit == 16);
}

RULE("with room for all its frames a stack forty calls deep is whole") {
    const Traced traced = trace_attached("deep_stack", {"--frames", "100"});
    require_equal(traced);
    unsigned calls = 0;
    for (const auto& site : traced.snapshot.sites) {
        if (line_name(traced.snapshot, site.frames.front()) != traced.ledger.lines.begin()->first) continue;
        REQUIRE(site.total_frames == site.frames.size());
        for (const FrameId frame : site.frames) calls += line_name(traced.snapshot, frame) == traced.ledger.call ? 1 : 0;
    }
    REQUIRE(calls == 40);
    REQUIRE(loss(traced.snapshot, MT_TRUNCATED_STACKS) == 0);
}

RULE("a target that ends by itself ends the trace, whose snapshot holds what it had") {
    Child program({workload_path("ledger_single")});
    program.wait_line("ready");
    const Leftovers before = Leftovers::now();
    Tracer tracer = Tracer::attach(program);
    program.send_line("go");
    program.wait_line("done");
    program.send_line("end");
    REQUIRE(program.wait() == Ending{false, 0});
    require_equal({parse_ledger(program.output()), tracer.finish()});
    before.require_nothing_new();
}
