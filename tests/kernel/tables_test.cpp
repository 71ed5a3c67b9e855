// The kernel's tables from inside: what they hold, how much they take, and what becomes of what does not fit.
#include <algorithm>

#include "kernel/harness.hpp"
#include "support/catch.hpp"
#include "support/ledger.hpp"
#include "support/leftovers.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

constexpr std::uint64_t most_bytes_per_block = 32;

// Keeps `count` blocks alive, of sizes that `pattern` chooses: how near the heap lays them to each other decides which buckets they share.
constexpr const char* keeper = R"(
#include "ledger.h"
static size_t count;
static void **blocks;
static size_t size_of(char pattern, size_t i)
{
    switch (pattern) {
    case 's': return 16;                                          /* as dense as the heap can be */
    case 'm': return 1 + i * 2654435761u % 1500;                  /* mixed */
    case 'p': return 4080;                                        /* a page each: neighbours share no bucket */
    case 'g': return 248;                                         /* a gap each: half of the first choices are never used */
    default: return i % 64 ? 24 + i * 40503u % 200 : 20000;       /* runs and gaps */
    }
}
int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    count = strtoul(argv[2], NULL, 10);
    blocks = mmap(NULL, count * sizeof *blocks, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ledger_ready();
    for (size_t i = 0; i < count; ++i) {
        const size_t size = size_of(argv[1][0], i);
        blocks[i] = i % 3 == 0 ? calloc(1, size) : i % 3 == 1 ? malloc(size) : realloc(NULL, size);
    }
    ledger_done(__FILE__);
    for (size_t i = 0; i < count; ++i)
        free(blocks[i]);
    ledger_done(__FILE__);
}
)";

std::string lines_that_allocate(unsigned lines) {
    std::string source = "#include \"ledger.h\"\nstatic void *kept[" + std::to_string(lines) + "];\nint main(void) { ledger_ready();\n";
    for (unsigned i = 0; i < lines; ++i) source += "kept[" + std::to_string(i) + "] = malloc(" + std::to_string(100 + i) + ");\n";
    source += "ledger_done(__FILE__);\nfor (int i = 0; i < " + std::to_string(lines) + "; ++i) free(kept[i]);\nledger_done(__FILE__); }\n";
    return source;
}

}  // namespace

RULE("the live table holds exactly the live blocks that the counters claim") {
    for (const char* workload : {"ledger_single", "ledger_realloc", "ledger_aligned", "ledger_mmap", "ledger_threads", "ledger_cxx"}) {
        INFO(workload);
        Child child({workload_path(workload)});
        child.wait_line("ready");
        Trace trace(child);
        child.send_line("go");
        child.wait_line("done");  // it waits now: the tables stand still
        const Ledger ledger = parse_ledger(child.output());

        auto table = live_table(trace.kernel());
        table.erase(MT_SITE_CONTAINER);
        REQUIRE(table == live_by_counters(trace.kernel()));

        Held all;
        for (const auto& [site, held] : table) {
            all.blocks += held.blocks;
            all.bytes += held.bytes;
        }
        REQUIRE(all.blocks > 0);
        REQUIRE(trace.kernel().process().total.bytes == all.bytes);
        std::uint64_t domains = 0;
        for (const mt_usage& usage : trace.kernel().process().domains) domains += usage.bytes;
        REQUIRE(domains == all.bytes);
        Held ledgers;
        for (const auto& [line, totals] : ledger.lines) {
            ledgers.blocks += totals.live_blocks;
            ledgers.bytes += totals.live_bytes;
        }
        REQUIRE(all.blocks >= ledgers.blocks);  // thread stacks and the C++ library's own come on top
        REQUIRE(all.bytes >= ledgers.bytes);
        REQUIRE(lost(trace.stop()) == "");
    }
}

RULE("the live table takes as many blocks as were asked for, at 32 bytes a block, and gives all of them back") {
    const TemporaryFolder folder;
    const std::string program = compile_c(folder, "keeper", keeper);
    for (const std::uint64_t blocks : {std::uint64_t{1000}, std::uint64_t{60'000}}) {
        for (const char* pattern : {"s", "m", "p", "g", "r"}) {
            INFO(pattern << " " << blocks);
            Child child({program, pattern, std::to_string(blocks)});
            child.wait_line("ready");
            SessionOptions options;
            options.live_blocks = blocks;
            Trace trace(child, options);
            child.send_line("go");
            child.wait_line("done");
            CHECK(trace.loss(MT_LOST_LIVE_FULL) == 0);
            Held held;
            for (const auto& [site, of_site] : live_table(trace.kernel()))
                if (site != MT_SITE_CONTAINER) held.blocks += of_site.blocks;
            CHECK(held.blocks == blocks);
            CHECK(trace.kernel().live().size_bytes() <= blocks * most_bytes_per_block + sizeof(mt_bucket));
            child.send_line("go");
            child.wait_line("done");
            CHECK(trace.loss(MT_UNTRACKED_FREES) == 0);
            CHECK(live_by_counters(trace.kernel()).empty());
            CHECK(live_table(trace.kernel()).empty());
        }
    }
}

RULE("a site table of 64 takes 64 lines and counts the blocks of all others as lost") {
    constexpr unsigned lines = 500;
    const TemporaryFolder folder;
    Child child({compile_c(folder, "lines", lines_that_allocate(lines))});
    child.wait_line("ready");
    SessionOptions options;
    options.sites = 64;
    Trace trace(child, options);
    child.send_line("go");
    child.wait_line("done");
    const test::Lines seen = lines_of_file(trace.look(), "lines.c");
    CHECK(seen.size() == 64);
    CHECK(seen.size() + trace.loss(MT_LOST_SITE_FULL) == lines);
    for (const auto& [name, totals] : seen) {
        INFO(name);
        const std::uint64_t size = 100 + std::stoull(name.substr(name.find(':') + 1)) - 4;  // the first stands on line 4
        CHECK(totals == LineTotals{1, size, 1, size});
    }
    child.send_line("go");
    child.wait_line("done");
    const Snapshot snapshot = trace.stop();
    CHECK(lost(snapshot, MT_LOST_SITE_FULL) == "");
    CHECK(seen.size() + loss(snapshot, MT_UNTRACKED_FREES) == lines);
    CHECK(live_by_counters(trace.kernel()).empty());
    CHECK(inconsistencies(snapshot) == "");
}

RULE("sizes beyond 32 bits are counted whole: a reservation of a tebibyte, and half of it given back") {
    const TemporaryFolder folder;
    Child child({compile_c(folder, "huge", R"(
#include "ledger.h"
int main(void)
{
    const size_t tebi = (size_t)1 << 40;
    ledger_ready();
    char *map = mmap(NULL, tebi, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    void *block = malloc(((size_t)5 << 30) + 7);
    void *zeros = calloc((size_t)3 << 16, 1 << 15);
    ledger_require(map != MAP_FAILED && block && zeros, "the address space is there");
    ledger_done(__FILE__);
    munmap(map, tebi / 2);
    ledger_done(__FILE__);
    munmap(map + tebi / 2, tebi / 2);
    free(block);
    free(zeros);
    ledger_done(__FILE__);
}
)")});
    const auto held = [](const Snapshot& snapshot) {
        test::Lines lines = lines_of_file(snapshot, "huge.c");
        return std::vector{lines["huge.c:7"].live_bytes, lines["huge.c:8"].live_bytes, lines["huge.c:9"].live_bytes};
    };
    child.wait_line("ready");
    Trace trace(child);
    child.send_line("go");
    child.wait_line("done");
    constexpr std::uint64_t tebi = 1ULL << 40, malloced = (5ULL << 30) + 7, zeroed = (3ULL << 16) * (1ULL << 15);
    CHECK(held(trace.look()) == std::vector<std::uint64_t>{tebi, malloced, zeroed});
    CHECK(trace.kernel().process().total.bytes == tebi + malloced + zeroed);
    child.send_line("go");
    child.wait_line("done");
    CHECK(held(trace.look()) == std::vector<std::uint64_t>{tebi / 2, malloced, zeroed});
    child.send_line("go");
    child.wait_line("done");
    const Snapshot snapshot = trace.stop();
    CHECK(held(snapshot) == std::vector<std::uint64_t>{0, 0, 0});
    CHECK(snapshot.processes.front().traced_bytes == 0);
    CHECK(snapshot.processes.front().traced_peak_bytes == tebi + malloced + zeroed);
    CHECK(lost(snapshot) == "");
}

RULE("a live table that no machine can hold is refused with a hint what to ask for, and nothing is left behind") {
    const Leftovers before = Leftovers::now();
    Child child({workload_path("forever")});
    child.wait_line("ready");
    const std::uint64_t code = code_hash(child.pid());
    for (const std::uint64_t blocks : {std::uint64_t{1} << 32, std::uint64_t{1} << 40}) {
        INFO(blocks);
        SessionOptions options;
        options.live_blocks = blocks;
        const Result<Session> session = open_session(child, options);
        REQUIRE_FALSE(session);
        INFO(session.error().what);
        CHECK(session.error().what.find("live blocks") != std::string::npos);
        CHECK(session.error().hint.find("--live-blocks") != std::string::npos);
    }
    CHECK(code_hash(child.pid()) == code);
    before.require_nothing_new();
    // The refusals hold nothing: a sane request works.
    Trace trace(child, {.live_blocks = 1000});
    CHECK(eventually([&] { return !live_by_counters(trace.kernel()).empty(); }));
}
