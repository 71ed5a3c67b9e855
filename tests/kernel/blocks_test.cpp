// Single blocks, out of the kernel's table: their sizes and ages in snapshots, and whose an address is.
#include <unistd.h>

#include <chrono>
#include <numeric>
#include <thread>

#include "kernel/harness.hpp"
#include "support/catch.hpp"
#include "support/ledger.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;
using namespace std::chrono_literals;

namespace {

// At each line of its input: another 3 blocks of 100 B and one of 5000 B on two lines. "at ADDRESS" is a block of 77 B in a mapping.
constexpr const char* grower = R"(
#include "ledger.h"
int main(void)
{
    char *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char line[64];
    printf("at %lu\n", (unsigned long)malloc(1));
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        for (volatile int i = 0; i < 3; i++)
            malloc(100);
        printf("at %lu\n", (unsigned long)malloc(5000));
        printf("map %lu\n", (unsigned long)mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        puts("grown");
        fflush(stdout);
    }
    return map == NULL;
}
)";

// Four threads that allocate, move and free without end.
constexpr const char* churner = R"(
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static void *churn(void *seed)
{
    static __thread void *kept[256];
    unsigned at = (unsigned)(unsigned long)seed;
    for (;;) {
        at = at * 1103515245 + 12345;
        void **place = &kept[at >> 8 & 255];
        switch (at >> 20 & 3) {
        case 0: free(*place); *place = NULL; break;
        case 1: *place = realloc(*place, 1 + (at >> 10 & 1023)); break;
        default: free(*place); *place = malloc(1 + (at >> 10 & 255)); break;
        }
    }
}
int main(void)
{
    pthread_t thread;
    for (unsigned long i = 1; i < 5; i++)
        pthread_create(&thread, NULL, churn, (void *)i);
    puts("ready");
    fflush(stdout);
    getchar();
    return 0;
}
)";

std::uint64_t number_after(const std::string& line) { return std::stoull(line.substr(line.find(' ') + 1)); }

const Site* site_of(const Snapshot& snapshot, const std::string& name) {
    for (const Site& site : snapshot.sites)
        if (line_name(snapshot, site.frames.front()) == name) return &site;
    return nullptr;
}

std::string disagreements(const Snapshot& snapshot) {
    std::string text = inconsistencies(snapshot);
    for (const Site& site : snapshot.sites) {
        std::uint64_t blocks = 0, bytes = 0;
        for (std::size_t i = 0; i < site.blocks.size(); ++i) {
            blocks += site.blocks[i].count;
            bytes += site.blocks[i].count * site.blocks[i].size_bytes;
            const auto order = [](const BlockGroup& group) { return std::pair(group.size_bytes, group.age); };
            if (i > 0 && order(site.blocks[i - 1]) >= order(site.blocks[i])) text += "groups out of order\n";
        }
        if (blocks != site.counters.live_blocks()) text += "groups of another count\n";
        if (bytes != site.counters.live_bytes()) text += "groups of other sizes\n";
    }
    for (const Process& process : snapshot.processes) {
        std::uint64_t bytes = 0;
        for (const Process::DomainUsage& usage : process.domains) {
            bytes += usage.bytes;
            if (usage.peak_bytes < usage.bytes) text += "a domain's peak is below what it holds\n";
        }
        if (bytes != process.traced_bytes) text += "domains hold " + std::to_string(bytes) + " B\n";
    }
    return text;
}

}  // namespace

RULE("a snapshot with blocks tells their sizes, and their ages by a clock of its own measuring") {
    const TemporaryFolder folder;
    Child child({compile_c(folder, "grower", grower)});
    child.wait_line("ready");
    Trace trace(child);
    std::this_thread::sleep_for(300ms);
    child.send_line("go");
    child.wait_line("grown");
    const auto first = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(1500ms);
    child.send_line("go");
    child.wait_line("grown");
    const auto second = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(500ms);
    const Snapshot snapshot = trace.look(Detail::blocks);
    const auto now = std::chrono::steady_clock::now();
    CHECK(snapshot.has_blocks);
    CHECK(disagreements(snapshot) == "");
    const Site* small = site_of(snapshot, "grower.c:12");
    REQUIRE(small);
    REQUIRE(small->blocks.size() == 2);
    // Ages are cut down to a sixteenth, and true to a tick: 10 ms at 100 a second.
    const auto is = [&](const BlockGroup& group, std::chrono::steady_clock::time_point since) {
        const auto age = now - since;
        INFO(age_of(group.age).count() << " ms, truly " << std::chrono::duration_cast<std::chrono::milliseconds>(age).count());
        CHECK(age_of(group.age) <= age + 30ms);
        CHECK(age_of(group.age) >= (age - 60ms) * 15 / 16);
    };
    CHECK(small->blocks[0].size_bytes == 100);
    CHECK(small->blocks[0].count == 3);
    is(small->blocks[0], second);
    is(small->blocks[1], first);
    const Snapshot without = trace.look();
    CHECK_FALSE(without.has_blocks);
    CHECK(std::all_of(without.sites.begin(), without.sites.end(), [](const Site& site) { return site.blocks.empty(); }));
}

RULE("while four threads allocate, each snapshot's groups add up to its counts, and those to its totals") {
    const TemporaryFolder folder;
    Child child({compile_c(folder, "churner", churner)});
    child.wait_line("ready");
    Trace trace(child);
    std::uint64_t live = 0;
    for (int i = 0; i < 100; ++i) {
        const Snapshot snapshot = trace.look(Detail::blocks);
        REQUIRE(disagreements(snapshot) == "");
        live += snapshot.processes[0].traced_bytes;
        if (i % 10 == 0) std::this_thread::sleep_for(20ms);
    }
    CHECK(live > 0);
    (void)trace.stop();
    REQUIRE(disagreements(trace.look(Detail::blocks)) == "");
}

RULE("where tells the block that an address begins or lies in, and of none when there is none") {
    const TemporaryFolder folder;
    Child child({compile_c(folder, "grower", grower)});
    const std::uint64_t early = number_after(child.wait_line("at "));
    child.wait_line("ready");
    Trace trace(child);
    child.send_line("go");
    const std::uint64_t block = number_after(child.wait_line("at "));
    const std::uint64_t map = number_after(child.wait_line("map "));
    child.wait_line("grown");
    std::this_thread::sleep_for(100ms);
    for (const std::uint64_t offset : {0, 16, 32, 4999}) {
        INFO(offset);
        const std::optional<BlockInfo> info = trace.collector().where(child.pid(), block + offset);
        REQUIRE(info);
        CHECK(info->address == block);
        CHECK(info->size_bytes == 5000);
        CHECK(info->domain == "malloc");
        CHECK(info->age >= 90ms);
        CHECK(info->age < 20s);
        REQUIRE(info->frames.size() == 1);
        CHECK(info->frames[0].file.ends_with("grower.c"));
        CHECK(info->frames[0].line == 13);
        CHECK(info->frames[0].function == "main");
        CHECK_FALSE(info->frames[0].python);
        CHECK(info->total_frames == 1);
    }
    const std::optional<BlockInfo> mapping = trace.collector().where(child.pid(), map + 12345);
    REQUIRE(mapping);
    CHECK(mapping->address == map);
    CHECK(mapping->domain == "mmap");
    CHECK_FALSE(trace.collector().where(child.pid(), block + 5000 + 8));  // the heap's own
    CHECK_FALSE(trace.collector().where(child.pid(), early));             // older than the trace
    CHECK_FALSE(trace.collector().where(child.pid(), 0));
    CHECK_FALSE(trace.collector().where(child.pid(), ~0ULL));
    CHECK_FALSE(trace.collector().where(getpid(), block));
}
