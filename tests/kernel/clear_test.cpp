// Forgetting all blocks while the target runs: nothing old is shown, everything new is right, and calls in progress end well.
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include "kernel/harness.hpp"
#include "reader/follower.hpp"
#include "support/catch.hpp"
#include "support/ledger.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;
using namespace std::chrono_literals;

namespace {

// Commands of one letter a line, each answered by the process's number, to a file, too, where one is given: allocate, free them all, fork a child
// that does commands.
constexpr const char* commanded = R"(
#include <fcntl.h>
#include <signal.h>
#include "ledger.h"
static void *small[1000], *large[10];
int main(int argc, char **argv)
{
    char line[64];
    const int answers = argc > 1 ? open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0600) : -1;
    setvbuf(stdin, NULL, _IONBF, 0);
    puts("ready 0");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (line[0] == 's')
            for (volatile int i = 0; i < 1000; i++)
                small[i] = malloc(64);
        if (line[0] == 'l')
            for (volatile int i = 0; i < 10; i++)
                large[i] = malloc(200);
        if (line[0] == 'f')
            for (volatile int i = 0; i < 1000; i++)
                free(small[i]);
        if (line[0] == 'c' && fork() != 0) {
            pause();
            return 0;
        }
        printf("did %d\n", (int)getpid());
        fflush(stdout);
        if (answers >= 0)
            dprintf(answers, "%d\n", (int)getpid());
    }
    kill(getppid(), SIGTERM);
    return 0;
}
)";

// Four threads that allocate, move and free until a line comes; then they rest.
constexpr const char* churner = R"(
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static volatile int resting;
static void *churn(void *seed)
{
    static __thread void *kept[64];
    unsigned at = (unsigned)(unsigned long)seed;
    while (!resting) {
        at = at * 1103515245 + 12345;
        void **place = &kept[at >> 8 & 63];
        switch (at >> 20 & 3) {
        case 0: free(*place); *place = NULL; break;
        case 1: free(*place); *place = malloc(1 + (at >> 10 & 255)); break;
        default: *place = realloc(*place, 1 + (at >> 10 & 0xfffff)); break;
        }
    }
    return NULL;
}
int main(void)
{
    pthread_t threads[4];
    for (unsigned long i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
    puts("ready");
    fflush(stdout);
    getchar();
    resting = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    puts("resting");
    fflush(stdout);
    getchar();
    getchar();
    return 0;
}
)";

constexpr const char* million = R"(
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    puts("ready");
    fflush(stdout);
    getchar();
    for (volatile int i = 0; i < 1000000; i++)
        malloc(16 + i % 200);
    puts("done");
    fflush(stdout);
    getchar();
    getchar();
    return 0;
}
)";

void clear(Session& session) {
    const Result<void> done = session.clear();
    if (!done) FAIL(done.error().what);
}

// Of one process of a snapshot: what it holds at the line that allocates blocks of `size_bytes`.
std::uint64_t blocks_of(const Snapshot& snapshot, int pid, std::uint64_t size_bytes) {
    std::uint64_t count = 0;
    for (const Site& site : snapshot.sites)
        for (const BlockGroup& group : site.blocks)
            if (snapshot.processes[site.process].pid == pid && group.size_bytes == size_bytes) count += group.count;
    return count;
}

// A trace of a running process and of those it makes.
class FollowingTrace {
public:
    /// Of `commanded`, whose answers come to `answers`: who follows may not wait for lines.
    FollowingTrace(const Child& child, std::string answers)
        : answers_(std::move(answers)), session_(opened(child)), collector_(session_), follower_(tree_, session_, collector_) {
        session_.start();
    }
    ~FollowingTrace() { (void)follower_.finish(); }
    // Does a command of the child and follows meanwhile; the pid of the process that answered.
    int command(Child& child, const std::string& letter) {
        child.send_line(letter);
        const auto answer = [this] {
            std::ifstream file(answers_);
            std::string all((std::istreambuf_iterator<char>(file)), {});
            return all.size() > read_ && all.ends_with('\n') ? all : "";
        };
        for (int i = 0; i < 5000 && answer().empty(); ++i) {
            collector_.consume();
            follower_.handle_events();
            std::this_thread::sleep_for(1ms);
        }
        const std::string all = answer();
        REQUIRE_FALSE(all.empty());
        const int pid = std::stoi(all.substr(read_));
        read_ = all.size();
        return pid;
    }
    Snapshot look() {
        collector_.consume();
        return collector_.snapshot(Detail::blocks);
    }
    Session& session() { return session_; }
    ProcessTree& tree() { return tree_; }

private:
    Session opened(const Child& child) {
        SessionOptions options;
        options.follow = true;
        options.hold = [this](int pid) -> std::shared_ptr<void> {
            if (!tree_.hold(pid)) return nullptr;
            return {this, [this, pid](void*) { tree_.release(pid); }};
        };
        Result<Session> session = open_session(child, options);
        if (!session) FAIL(session.error().what);
        std::vector<std::string> left_out;
        const Result<std::vector<int>> members = tree_.seize(child.pid(), left_out);
        if (!members) FAIL(members.error().what);
        if (const Result<void> done = session->update(Loading::complete); !done) FAIL(done.error().what);
        return *std::move(session);
    }
    std::string answers_;
    std::size_t read_ = 0;
    ProcessTree tree_;
    Session session_;
    Collector collector_;
    Follower follower_;
};

}  // namespace

RULE("after clear nothing old is shown, what is new is exact, and frees of what was forgotten are untracked") {
    const TemporaryFolder folder;
    Child child({compile_c(folder, "commanded", commanded)});
    child.wait_line("ready");
    Trace trace(child);
    child.send_line("s");
    child.wait_line("did");
    const Snapshot before = trace.look(Detail::blocks);
    REQUIRE(blocks_of(before, child.pid(), 64) == 1000);
    REQUIRE(before.processes[0].traced_bytes >= 64'000);
    const std::uint64_t untracked = trace.loss(MT_UNTRACKED_FREES);

    clear(trace.session());
    CHECK(trace.session().held_for() > 0ns);
    for (const Detail detail : {Detail::counters, Detail::blocks}) {
        const Snapshot after = trace.look(detail);
        CHECK(after.sites.empty());
        CHECK(after.processes[0].traced_bytes == 0);
        CHECK(after.processes[0].traced_peak_bytes == 0);
        for (const Process::DomainUsage& usage : after.processes[0].domains) CHECK(usage.peak_bytes == 0);
    }
    child.send_line("f");
    child.wait_line("did");
    CHECK(trace.loss(MT_UNTRACKED_FREES) == untracked + 1000);
    for (const char* command : {"l", "s"}) {
        child.send_line(command);
        child.wait_line("did");
    }
    const Snapshot snapshot = trace.stop();
    const Snapshot last = trace.look(Detail::blocks);
    CHECK(blocks_of(last, child.pid(), 64) == 1000);
    CHECK(blocks_of(last, child.pid(), 200) == 10);
    CHECK(last.processes[0].traced_bytes == 66'000);
    CHECK(last.processes[0].traced_peak_bytes == 66'000);
    CHECK(lost(snapshot) == "");
    CHECK(loss(snapshot, MT_UNTRACKED_FREES) == untracked + 1000);
}

RULE("calls in progress when all is forgotten end well: afterwards counters and table agree to the byte") {
    const TemporaryFolder folder;
    Child child({compile_c(folder, "churner", churner)});
    child.wait_line("ready");
    Trace trace(child);
    for (int i = 0; i < 100; ++i) {
        std::this_thread::sleep_for(2ms);
        clear(trace.session());
    }
    child.send_line("rest");
    child.wait_line("resting");
    auto table = live_table(trace.kernel());
    table.erase(MT_SITE_CONTAINER);
    REQUIRE_FALSE(table.empty());
    CHECK(table == live_by_counters(trace.kernel()));
    std::uint64_t bytes = 0;
    for (const auto& [site, held] : table) bytes += held.bytes;
    CHECK(trace.kernel().process().total.bytes == bytes);
    CHECK(trace.kernel().process().total.peak_bytes < 1ULL << 40);
    CHECK(lost(trace.stop()) == "");
}

RULE("reset_peak makes the peak what is held now, and it grows again from there") {
    const TemporaryFolder folder;
    Child child({compile_c(folder, "commanded", commanded)});
    child.wait_line("ready");
    Trace trace(child);
    for (const char* command : {"s", "f", "l"}) {
        child.send_line(command);
        child.wait_line("did");
    }
    const auto usage = [&] { return std::pair(trace.look().processes[0].traced_bytes, trace.look().processes[0].traced_peak_bytes); };
    CHECK(usage() == std::pair<std::uint64_t, std::uint64_t>(2000, 64'000));
    const Result<void> done = trace.session().reset_peak();
    REQUIRE(done);
    CHECK(usage() == std::pair<std::uint64_t, std::uint64_t>(2000, 2000));
    CHECK(trace.kernel().process().domains[MT_DOMAIN_MALLOC].peak_bytes == 2000);
    child.send_line("s");
    child.wait_line("did");
    CHECK(usage() == std::pair<std::uint64_t, std::uint64_t>(66'000, 66'000));
    CHECK(lost(trace.stop()) == "");
}

RULE("a child forked after clear has its parent's new blocks and none of the old ones; it is cleared with it later") {
    const TemporaryFolder folder;
    Child child({compile_c(folder, "commanded", commanded), folder.file("answers")});
    child.wait_line("ready");
    FollowingTrace trace(child, folder.file("answers"));
    trace.command(child, "s");
    REQUIRE(blocks_of(trace.look(), child.pid(), 64) == 1000);
    clear(trace.session());
    trace.command(child, "l");
    const int forked = trace.command(child, "c");
    REQUIRE(forked != child.pid());
    const Snapshot both = trace.look();
    for (const int pid : {child.pid(), forked}) {
        INFO(pid);
        CHECK(blocks_of(both, pid, 64) == 0);
        CHECK(blocks_of(both, pid, 200) == 10);
    }
    CHECK(lost(both) == "");
    clear(trace.session());
    CHECK(trace.look().sites.empty());
    trace.command(child, "s");
    const Snapshot last = trace.look();
    CHECK(blocks_of(last, forked, 64) == 1000);
    CHECK(blocks_of(last, child.pid(), 64) == 0);
    for (const Process& process : last.processes) CHECK(process.traced_bytes == (process.pid == forked ? 64'000U : 0U));
    CHECK(lost(last) == "");
}

RULE("a child that waits for its copy when all is forgotten gets none of what was forgotten") {
    const TemporaryFolder folder;
    Child child({compile_c(folder, "commanded", commanded), folder.file("answers")});
    child.wait_line("ready");
    FollowingTrace trace(child, folder.file("answers"));
    trace.command(child, "s");
    child.send_line("c");
    std::this_thread::sleep_for(200ms);  // it has forked and is held; nobody has looked at it yet
    clear(trace.session());
    const int forked = trace.command(child, "l");
    REQUIRE(forked != child.pid());
    const Snapshot snapshot = trace.look();
    CHECK(blocks_of(snapshot, forked, 64) == 0);
    CHECK(blocks_of(snapshot, forked, 200) == 10);
    CHECK(blocks_of(snapshot, child.pid(), 64) == 0);
    CHECK(lost(snapshot) == "");
}

RULE("forgetting a million blocks holds the target for less than a tenth of a second") {
    const TemporaryFolder folder;
    Child child({compile_c(folder, "million", million)});
    child.wait_line("ready");
    Trace trace(child);
    child.send_line("go");
    trace.wait_line(child, "done");
    const auto begin = std::chrono::steady_clock::now();
    const Snapshot snapshot = trace.look(Detail::blocks);
    const std::chrono::duration<double, std::milli> look = std::chrono::steady_clock::now() - begin;
    std::uint64_t blocks = 0;
    for (const Site& site : snapshot.sites) blocks += site.counters.live_blocks();
    CHECK(blocks >= 1'000'000);
    clear(trace.session());
    const std::chrono::duration<double, std::milli> held = trace.session().held_for();
    UNSCOPED_INFO("snapshot with blocks " << look.count() << " ms, held by clear " << held.count() << " ms");
    CHECK(held < 100ms);
    CHECK(look < 150ms);
    CHECK(live_table(trace.kernel()).empty());
}
