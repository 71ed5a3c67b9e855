// Calls whose return never comes: left by longjmp out of a signal handler, or ended with their thread. What comes after
// them is counted all the same.
#include "kernel/harness.hpp"
#include "support/catch.hpp"
#include "support/ledger.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

// A calloc that clears 64 MiB of used heap is interrupted in the middle by a timer (the heap's lock is free then), an mmap that
// populates as much right after its system call. Then 100 blocks are allocated: DEEP levels below the interrupted call, beside it, or above.
constexpr const char* interrupted = R"(
#include "ledger.h"
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <pthread.h>
enum { AFTER = 100, BIG = 64 << 20 };
static sigjmp_buf out;
static volatile sig_atomic_t inside, end_thread;
static volatile unsigned long jumps;
static sigset_t alarms;
static void on_alarm(int number)
{
    (void)number;
    if (!inside)
        return;
    inside = 0;
    ++jumps;
    if (end_thread)
        syscall(SYS_exit, 0);
    siglongjmp(out, 1);
}
static void alarm_in_a_millisecond(void)
{
    struct itimerval soon = {{0, 0}, {0, 1000}};
    setitimer(ITIMER_REAL, &soon, NULL);
}
__attribute__((noinline)) static void interrupt_calloc(void)
{
    void *volatile block;
    alarm_in_a_millisecond();
    inside = 1;
    block = calloc(1, BIG);
    inside = 0;
    free(block);
}
__attribute__((noinline)) static void interrupt_mmap(void)
{
    void *volatile map;
    alarm_in_a_millisecond();
    inside = 1;
    map = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    inside = 0;
    munmap(map, BIG);
}
__attribute__((noinline)) static unsigned deep(unsigned depth, struct block *block, int map)
{
    volatile char room[256];
    room[0] = 1;
    if (depth > 0)
        return deep(depth - 1, block, map) + room[0];
    if (map)
        *block = ALLOCATED(mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 8192);
    else
        *block = ALLOCATED(malloc(77), 77);
    return room[0];
}
static void *in_thread(void *mode)
{
    end_thread = 1;
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    (*(char *)mode == 'm' ? interrupt_mmap : interrupt_calloc)();
    return NULL;
}
int main(int argc, char **argv)
{
    static struct block blocks[AFTER];
    const char *where = argc > 2 ? argv[2] : "";
    const int maps = argc > 3;
    volatile unsigned i;
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_ARENA_MAX, 1);
    signal(SIGALRM, on_alarm);
    sigaddset(&alarms, SIGALRM);
    void *used = malloc(BIG);
    memset(used, 1, BIG);
    free(used);
    ledger_ready();
    if (*where == 't') {
        pthread_t thread;
        pthread_sigmask(SIG_BLOCK, &alarms, NULL);
        ledger_require(pthread_create(&thread, NULL, in_thread, argv[1]) == 0, "threads start");
        while (jumps == 0)
            usleep(1000);
    } else if (sigsetjmp(out, 1) == 0) {
        if (*argv[1] == 'm')
            interrupt_mmap();
        else
            interrupt_calloc();
    }
    ledger_require(jumps == 1, "the call was interrupted");
    for (i = 0; i < AFTER; ++i) {
        if (*where == 'd' || *where == 't')
            deep(4, &blocks[i], maps);
        else if (*where == 'm')
            blocks[i] = ALLOCATED(malloc(77), 77);
        else
            blocks[i] = ALLOCATED(calloc(7, 11), 77);
    }
    ledger_done(__FILE__);
}
)";

// What became of the AFTER allocations that followed the interrupted call.
struct Outcome {
    std::uint64_t missing = 0;  // of them, by the counters of their line
    std::uint64_t lost_returns = 0;
    bool wrong_size = false;
};
constexpr std::uint64_t most_missing = 32;  // MAX_INNER_CALLS (bpf/calls.bpf.h)

Outcome interrupt(const std::string& call, const std::string& where, bool maps) {
    const TemporaryFolder folder;
    std::vector<std::string> command{compile_c(folder, "interrupted", interrupted), call, where};
    if (maps) command.emplace_back("maps");
    Child child(command);
    child.wait_line("ready");
    Trace trace(child);
    child.send_line("go");
    child.wait_line("done");
    const Snapshot snapshot = trace.stop();
    const Ledger ledger = parse_ledger(child.output());
    REQUIRE(ledger.lines.size() == 1);
    REQUIRE(lost(snapshot, MT_LOST_RETURN) == "");
    REQUIRE(inconsistencies(snapshot) == "");
    const auto& [line, truth] = *ledger.lines.begin();
    const LineTotals seen = lines_of_file(snapshot, "interrupted.c")[line];
    REQUIRE(truth.live_blocks == 100);
    REQUIRE(seen.live_blocks <= truth.live_blocks);
    return {truth.live_blocks - seen.live_blocks, loss(snapshot, MT_LOST_RETURN),
            seen.live_bytes != seen.live_blocks * (truth.live_bytes / truth.live_blocks)};
}

}  // namespace

RULE("after a calloc left by longjmp, allocations on the same level are counted but for what is counted as lost") {
    for (const char* where : {"main", "calloc in main"}) {
        INFO(where);
        const Outcome outcome = interrupt("calloc", where, false);
        CHECK(outcome.missing <= 1);  // another function with the very stack pointer of the one left looks like its tail call
        CHECK(outcome.lost_returns == outcome.missing + 1);
        CHECK_FALSE(outcome.wrong_size);
    }
}

// These look as if they happened inside the call that was left.
RULE("after a calloc left by longjmp, deeper allocations are missed a few times at most, each counted as lost") {
    const Outcome outcome = interrupt("calloc", "deep", false);
    CHECK(outcome.missing <= most_missing);
    CHECK(outcome.lost_returns == outcome.missing + 1);
    CHECK_FALSE(outcome.wrong_size);
}

RULE("after a calloc left by longjmp, deeper mappings are taken for the allocator's own a few times at most, each counted as lost") {
    const Outcome outcome = interrupt("calloc", "deep", true);
    CHECK(outcome.missing <= most_missing);
    CHECK(outcome.lost_returns == outcome.missing + 1);
    CHECK_FALSE(outcome.wrong_size);
}

RULE("after an mmap left by longjmp, deeper mappings are missed a few times at most, each counted as lost; allocations are all seen") {
    const Outcome maps = interrupt("mmap", "deep", true);
    CHECK(maps.missing <= most_missing);
    CHECK(maps.lost_returns == maps.missing + 1);
    CHECK_FALSE(maps.wrong_size);
    const Outcome blocks = interrupt("mmap", "deep", false);
    CHECK(blocks.missing == 0);
    CHECK(blocks.lost_returns <= 1);
}

RULE("a thread that ends in the middle of a call takes nothing of the other threads with it") {
    for (const char* call : {"calloc", "mmap"}) {
        INFO(call);
        const Outcome outcome = interrupt(call, "thread", false);
        CHECK(outcome.missing == 0);
        CHECK(outcome.lost_returns == 0);
        CHECK_FALSE(outcome.wrong_size);
    }
}
