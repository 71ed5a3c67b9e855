// --threads: each thread's blocks under its own number and name, in C and in Python, numbers used again and names changed included.
#include <algorithm>
#include <map>

#include "kernel/harness.hpp"
#include "support/catch.hpp"
#include "support/ledger.hpp"
#include "support/python.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

const SessionOptions apart{.threads = true};

// Three named threads on one line; each prints "NAME TID BLOCKS BYTES". They are renamed afterwards and allocate once more there.
constexpr const char* three_threads = R"(
#include "ledger.h"
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
static pthread_barrier_t all;
static __attribute__((noinline)) void allocate(int count, size_t size)
{
    for (volatile int i = 0; i < count; i++)
        malloc(size);
}
static void *run(void *number)
{
    const int n = (int)(long)number;
    char name[16];
    snprintf(name, sizeof name, "worker-%d", n);
    prctl(PR_SET_NAME, name);
    pthread_barrier_wait(&all);
    allocate(100 * n, 10 + n);
    prctl(PR_SET_NAME, "renamed");
    allocate(7, 10 + n);
    char line[64];
    write(1, line, snprintf(line, sizeof line, "%s %d %d %d\n", name, (int)syscall(SYS_gettid), 100 * n + 7, (100 * n + 7) * (10 + n)));
    pthread_barrier_wait(&all);
    return NULL;
}
int main(void)
{
    pthread_t threads[3];
    pthread_barrier_init(&all, NULL, 3);
    ledger_ready();
    for (long i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, run, (void *)(i + 1));
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ledger_done(__FILE__);
}
)";

const char* const three_python_threads = R"(
import sys, threading
kept = {}
def run(name, count):
    with open('/proc/thread-self/comm', 'w') as comm:
        comm.write(name)
    start.wait()
    kept[name] = [bytes(1000 + count) for _ in range(count)]
    done.wait()
start, done = threading.Barrier(4), threading.Barrier(4)
threads = [threading.Thread(target=run, args=('worker-%d' % n, 100 * n)) for n in (1, 2, 3)]
print('ready', flush=True)
sys.stdin.readline()
for thread in threads: thread.start()
start.wait()
done.wait()
for thread, n in zip(threads, (1, 2, 3)):
    print('worker-%d' % n, thread.native_id, 100 * n, 100 * n * (1000 + 100 * n + sys.getsizeof(b'')))
print('done', flush=True)
sys.stdin.readline()
)";

/// Of a thread, by name and number: blocks and bytes.
using Threads = std::map<std::pair<std::string, int>, std::pair<std::uint64_t, std::uint64_t>>;

std::string text_of(const Threads& threads) {
    std::string text;
    for (const auto& [thread, held] : threads)
        text += thread.first + " " + std::to_string(thread.second) + " " + std::to_string(held.first) + " " + std::to_string(held.second) + "\n";
    return text;
}

// What threads whose name begins with "worker" hold at lines of `file` with `line` as a part of the name: (blocks, bytes).
Threads seen(const Snapshot& snapshot, const std::string& line) {
    Threads threads;
    for (const Site& site : snapshot.sites) {
        if (line_name(snapshot, site.frames.front()) != line) continue;
        auto& [blocks, bytes] = threads[{snapshot.text(site.thread_name), site.thread}];
        blocks += site.counters.live_blocks();
        bytes += site.counters.live_bytes();
    }
    return threads;
}

Threads truth(const std::string& output) {
    Threads threads;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string name;
        int tid = 0;
        std::uint64_t blocks = 0, bytes = 0;
        if (words >> name >> tid >> blocks >> bytes && name.starts_with("worker-")) threads[{name, tid}] = {blocks, bytes};
    }
    return threads;
}

}  // namespace

RULE("three threads on one line are three lines with --threads, under the names they had first") {
    const TemporaryFolder folder;
    Child child({compile_c(folder, "three", three_threads)});
    child.wait_line("ready");
    Trace trace(child, apart);
    child.send_line("go");
    child.wait_line("done");
    const Snapshot snapshot = trace.look(Detail::blocks);
    CHECK(snapshot.threads_apart);
    CHECK(text_of(seen(snapshot, "three.c:10")) == text_of(truth(child.output())));
    CHECK(truth(child.output()).size() == 3);
    CHECK(lost(snapshot) == "");
    CHECK(inconsistencies(snapshot) == "");
}

RULE("without --threads they are one line, and no thread is named") {
    const TemporaryFolder folder;
    Child child({compile_c(folder, "three", three_threads)});
    child.wait_line("ready");
    Trace trace(child);
    child.send_line("go");
    child.wait_line("done");
    const Snapshot snapshot = trace.look();
    CHECK_FALSE(snapshot.threads_apart);
    CHECK(text_of(seen(snapshot, "three.c:10")) == text_of({{{"", 0}, {621, 107 * 11 + 207 * 12 + 307 * 13}}}));
    CHECK(lost(snapshot) == "");
}

RULE("Python's threads are kept apart as well") {
    const std::string python = "/usr/bin/python3";
    if (access(python.c_str(), X_OK) != 0) skip("there is no /usr/bin/python3");
    const TemporaryFolder folder;
    write_text(folder.file("three.py"), three_python_threads);
    Child child({python, folder.file("three.py")});
    child.wait_line("ready");
    Trace trace(child, apart);
    child.send_line("go");
    trace.wait_line(child, "done");
    const Snapshot snapshot = trace.look(Detail::blocks);
    Threads threads;
    for (const Site& site : snapshot.sites) {
        if (line_name(snapshot, site.frames.front()) != "three.py:8") continue;
        for (const BlockGroup& group : site.blocks) {
            if (group.size_bytes % 2 == 0) continue;  // the list itself: its size is a multiple of a pointer's
            auto& [blocks, bytes] = threads[{snapshot.text(site.thread_name), site.thread}];
            blocks += group.count;
            bytes += group.count * group.size_bytes;
        }
    }
    CHECK(text_of(threads) == text_of(truth(child.output())));
    CHECK(lost(snapshot) == "");
}

RULE("a thread that gets an ended one's number is another thread") {
    const TemporaryFolder folder;
    // In a namespace of its own, where the next number can be chosen: each thread gets the same.
    Child child({compile_c(folder, "again", R"(
#include "ledger.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
static void *run(void *name)
{
    prctl(PR_SET_NAME, name);
    malloc(1000);
    return (void *)syscall(SYS_gettid);
}
int main(void)
{
    char *names[] = {"worker-1", "worker-2", "worker-3"};
    ledger_ready();
    void *first = NULL;
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        void *tid = NULL;
        int tries = 0;
        do {
            int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
            char text[16];
            int length = snprintf(text, sizeof text, "%ld", (long)first - 1);
            if (first && (last < 0 || write(last, text, length) != length)) return 4;
            close(last);
            pthread_create(&thread, NULL, run, names[i]);
            pthread_join(thread, &tid);
            if (!first) first = tid;
        } while (tid != first && ++tries < 200);
        char line[64];
        write(1, line, snprintf(line, sizeof line, "%s %ld %d %d\n", names[i], (long)tid, tries + 1, 0));
    }
    ledger_done(__FILE__);
}
)")});
    child.wait_line("ready");
    Trace trace(child, apart);
    child.send_line("go");
    child.wait_line("done");
    const Snapshot snapshot = trace.look();
    const Threads told = truth(child.output());
    REQUIRE(told.size() == 3);
    std::map<int, int> numbers;
    for (const auto& [thread, count] : told) ++numbers[thread.second];
    REQUIRE(numbers.size() == 1);
    const Threads threads = seen(snapshot, "again.c:12");
    for (const auto& [thread, count] : told) {
        INFO(thread.first << " " << thread.second);
        REQUIRE(threads.contains(thread));
        CHECK(threads.at(thread) == std::pair<std::uint64_t, std::uint64_t>(1, 1000));
    }
    CHECK(lost(snapshot) == "");
}
