// Holding a target still is brief whatever its threads do: none of them is ever left stopped.
#include "process/stopped_threads.hpp"

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>

#include "kernel/harness.hpp"
#include "process/launched.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

// Four threads that count; "progress" is printed when each has counted on since the line was read.
const char* const counters = R"(
#include <pthread.h>
#include <stdio.h>
static volatile unsigned long counts[4];
static void *count(void *at)
{
    for (;;)
        ++*(volatile unsigned long *)at;
}
int main(void)
{
    char line[64];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, count, (void *)&counts[i]);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        for (int i = 0; i < 4; i++)
            for (unsigned long before = counts[i]; counts[i] == before;)
                ;
        puts("progress");
        fflush(stdout);
    }
    return 0;
}
)";

std::vector<int> threads_of(pid_t pid) {
    std::vector<int> tids;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task"))
        tids.push_back(std::stoi(entry.path().filename()));
    return tids;
}

// How many threads stand still under a tracer.
std::size_t held_threads(pid_t pid) {
    std::size_t held = 0;
    for (const int tid : threads_of(pid)) {
        const std::string stat = read_text("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/stat");
        held += stat.substr(stat.rfind(')') + 2, 1) == "t";
    }
    return held;
}

void require_progress(Child& program) {
    program.send_line("go");
    program.wait_line("progress");
}

}  // namespace

RULE("all threads stand still while they are held, and run on afterwards") {
    const TemporaryFolder folder;
    Child program({compile_c(folder, "counters", counters)});
    program.wait_line("ready");
    {
        const Result<StoppedThreads> stopped = StoppedThreads::stop(program.pid());
        REQUIRE(stopped);
    }
    require_progress(program);
}

RULE("when one thread cannot be stopped because it is traced already, the others run on at once") {
    const TemporaryFolder folder;
    Child program({compile_c(folder, "counters", counters)});
    program.wait_line("ready");
    const int held = threads_of(program.pid()).back();
    REQUIRE(ptrace(PTRACE_SEIZE, held, nullptr, nullptr) == 0);
    {
        const Result<StoppedThreads> stopped = StoppedThreads::stop(program.pid());
        REQUIRE_FALSE(stopped);
        require_progress(program);  // while the failure is still in our hands
    }
    require_progress(program);
    ptrace(PTRACE_INTERRUPT, held, nullptr, nullptr);
    int status = 0;
    REQUIRE(waitpid(held, &status, __WALL) == held);
    REQUIRE(ptrace(PTRACE_DETACH, held, nullptr, nullptr) == 0);
    require_progress(program);
}

RULE("a program that was launched is held with all of its threads, the main one by its launcher, and goes on afterwards") {
    require_root();
    const TemporaryFolder folder;
    std::string source = counters;
    source.replace(source.find("while (fgets"), 0, "for (;;) pause();\n    ");  // its input is the test's own
    source.insert(0, "#include <unistd.h>");
    Result<Launched> launched = Launched::start({compile_c(folder, "counters", source)});
    REQUIRE(launched);
    CHECK(launched->hold());  // it stands still already
    launched->let_go();
    launched->resume();
    REQUIRE(eventually([&] { return threads_of(launched->pid()).size() == 5; }));
    for (int round = 0; round < 20; ++round) {
        REQUIRE(launched->hold());
        {
            const Result<StoppedThreads> others = StoppedThreads::stop(launched->pid(), std::chrono::seconds(1), launched->pid());
            REQUIRE(others);
            REQUIRE(held_threads(launched->pid()) == 5);
        }
        launched->let_go();
        REQUIRE(eventually([&] { return held_threads(launched->pid()) == 0; }));
    }
    // A signal that comes first is passed on by handle_events(), not lost.
    kill(launched->pid(), SIGTERM);
    REQUIRE(launched->hold());
    launched->let_go();
    REQUIRE(eventually([&] {
        (void)launched->handle_events();
        return launched->ending().has_value();
    }));
    CHECK(launched->ending()->shell_status() == 128 + SIGTERM);
}
