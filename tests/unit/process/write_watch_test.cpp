// The moment of a store, as the debug registers tell it.
#include "process/write_watch.hpp"

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

constexpr int stores = 5;
volatile std::uint64_t words[4] __attribute__((aligned(32)));

// A child that stores 0, 1, … to two neighbouring words in turn; stopped before it begins.
int start_storing() {
    const int pid = fork();
    if (pid != 0) {
        int status = 0;
        REQUIRE(waitpid(pid, &status, 0) == pid);
        REQUIRE(WIFSTOPPED(status));
        return pid;
    }
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    for (int i = 1; i <= stores; ++i) {
        words[1] = static_cast<std::uint64_t>(i);
        words[2] = static_cast<std::uint64_t>(i);
    }
    _exit(7);
}

// Goes on until the next stop or the end.
int go_on(int pid) {
    int status = 0;
    ptrace(PTRACE_CONT, pid, nullptr, nullptr);
    REQUIRE(waitpid(pid, &status, 0) == pid);
    return status;
}

std::uint64_t value_of(int pid, volatile std::uint64_t* word) {
    return static_cast<std::uint64_t>(ptrace(PTRACE_PEEKDATA, pid, const_cast<std::uint64_t*>(word), nullptr));
}

std::uint64_t address_of(volatile std::uint64_t* word) { return reinterpret_cast<std::uint64_t>(const_cast<std::uint64_t*>(word)); }

void require_end(int status) {
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == 7);
}

}  // namespace

RULE("a watched word stops its writer right after each store, and its neighbours do not") {
    const int pid = start_storing();
    if (Result<void> done = watch_writes(pid, address_of(&words[2])); !done) {
        kill(pid, SIGKILL);
        waitpid(pid, nullptr, 0);
        skip(done.error().what);
    }
    for (std::uint64_t i = 1; i <= stores; ++i) {
        const int status = go_on(pid);
        REQUIRE(is_watched_write(pid, status));
        CHECK(value_of(pid, &words[2]) == i);
        CHECK(value_of(pid, &words[1]) == i);
    }
    require_end(go_on(pid));
}

RULE("no longer watched, it runs on; a stop for a signal is no store") {
    const int pid = start_storing();
    const Result<void> watched = watch_writes(pid, address_of(&words[2]));
    if (watched) CHECK(is_watched_write(pid, go_on(pid)));
    REQUIRE(watch_writes(pid, 0));
    kill(pid, SIGTRAP);
    const int status = go_on(pid);
    REQUIRE(WIFSTOPPED(status));
    CHECK_FALSE(is_watched_write(pid, status));
    require_end(go_on(pid));
}
