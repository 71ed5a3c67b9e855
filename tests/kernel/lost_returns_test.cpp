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
static unsigned long jumps;
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
    signal(SIGALRM, on_alarm);
    void *used = malloc(BIG);
    memset(used, 1, BIG);
    free(used);
    ledger_ready();
    if (*where == 't') {
        pthread_t thread;
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

// The lines of the ledger as they were seen, without those of the interrupted call itself.
std::string differences_after(const std::string& call, const std::string& where, bool maps, std::uint64_t& lost_returns) {
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
    lost_returns = loss(snapshot, MT_LOST_RETURN);
    Lines seen = lines_of_file(snapshot, "interrupted.c");
    std::erase_if(seen, [&](const auto& line) { return !ledger.lines.contains(line.first); });
    return differences(ledger.lines, seen);
}

}  // namespace

RULE("allocations after a calloc left by longjmp are all counted, and the calloc is counted as lost once") {
    for (const char* where : {"main", "calloc in main", "deep"}) {
        INFO(where);
        std::uint64_t lost_returns = 0;
        CHECK(differences_after("calloc", where, false, lost_returns) == "");
        CHECK(lost_returns == 1);
    }
}

RULE("mappings after a calloc left by longjmp are the program's own, not the allocator's") {
    std::uint64_t lost_returns = 0;
    CHECK(differences_after("calloc", "deep", true, lost_returns) == "");
    CHECK(lost_returns <= 1);  // the calloc still counts as in progress until the next heap call
}

RULE("allocations and mappings after an mmap left by longjmp are all counted") {
    for (const bool maps : {false, true}) {
        INFO(maps);
        std::uint64_t lost_returns = 0;
        CHECK(differences_after("mmap", "deep", maps, lost_returns) == "");
        CHECK(lost_returns <= 1);
    }
}

RULE("a thread that ends in the middle of a call takes nothing of the other threads with it") {
    for (const char* call : {"calloc", "mmap"}) {
        INFO(call);
        std::uint64_t lost_returns = 0;
        CHECK(differences_after(call, "thread", false, lost_returns) == "");
        CHECK(lost_returns == 0);
    }
}
