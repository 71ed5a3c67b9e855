#include "process/info.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>

#include "support/catch.hpp"

using memtrace::ProcessInfo;
using memtrace::read_process;
using memtrace::Result;
using memtrace::test::skip;

namespace {

/// A child that runs `prepare` and then waits to be killed.
class WaitingChild {
public:
    template <typename Prepare>
    explicit WaitingChild(Prepare prepare) {
        int ready[2];
        REQUIRE(::pipe(ready) == 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            prepare();
            if (::write(ready[1], "x", 1) != 1) ::_exit(1);
            for (;;) ::pause();
        }
        char byte = 0;
        REQUIRE(::read(ready[0], &byte, 1) == 1);
        ::close(ready[0]);
        ::close(ready[1]);
    }
    ~WaitingChild() { end(); }
    void end() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    [[nodiscard]] int pid() const { return pid_; }

private:
    int pid_ = 0;
};

}  // namespace

RULE("our own process reads as what it is") {
    const Result<ProcessInfo> info = read_process(::getpid());
    REQUIRE(info);
    CHECK(info->pid == ::getpid());
    CHECK(info->uid == ::getuid());
    CHECK(info->state == 'R');
    CHECK(info->threads == 1);
    CHECK_FALSE(info->kernel_thread);
    CHECK(info->rss_bytes > 1'000'000);
    CHECK(info->vms_bytes >= info->rss_bytes);
    CHECK(info->start_time_ticks > 0);
    std::ifstream cmdline("/proc/self/cmdline");
    const std::string first((std::istreambuf_iterator<char>(cmdline)), {});
    CHECK(info->command_line.substr(0, first.find('\0')) == first.substr(0, first.find('\0')));
    CHECK(info->command_line.find('\0') == std::string::npos);
}

RULE("a process reads the same twice apart from what it uses") {
    WaitingChild child([] {});
    const Result<ProcessInfo> first = read_process(child.pid());
    const Result<ProcessInfo> second = read_process(child.pid());
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->start_time_ticks == second->start_time_ticks);
    CHECK(first->start_time_ticks >= read_process(::getpid())->start_time_ticks);
    CHECK(first->comm == second->comm);
}

RULE("a name with parentheses, spaces and newlines does not confuse the fields after it") {
    for (const char* name : {"a) b (c", ") S 1 1 1", "x\nUid:\t7\t7", "((((", "))))", " ", "\\n"}) {
        INFO(name);
        WaitingChild child([&] { ::prctl(PR_SET_NAME, name); });
        const Result<ProcessInfo> info = read_process(child.pid());
        REQUIRE(info);
        CHECK(info->comm == name);
        CHECK(info->uid == ::getuid());
        CHECK(info->threads == 1);
        CHECK((info->state == 'S' || info->state == 'R'));
        CHECK(info->tracer_pid == 0);
    }
}

RULE("arguments are joined by spaces and cut at 4096 bytes") {
    int hold[2];
    REQUIRE(::pipe2(hold, O_CLOEXEC) == 0);
    const int pid = ::fork();
    if (pid == 0) {
        ::dup2(hold[0], 0);
        ::execl("/bin/sh", "sh", "-c", "read x", std::string(10'000, 'z').c_str(), nullptr);
        ::_exit(127);
    }
    Result<ProcessInfo> info = read_process(pid);
    // In the middle of exec the name is the new one already and the arguments are not there yet.
    for (int i = 0; i < 5000 && info && !info->command_line.starts_with("sh -c"); ++i) {
        ::usleep(1000);
        info = read_process(pid);
    }
    REQUIRE(info);
    CHECK(info->command_line.substr(0, 15) == "sh -c read x zz");
    CHECK(info->command_line.size() == 4096);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    ::close(hold[0]);
    ::close(hold[1]);
}

RULE("a kernel thread is recognised and shown by its name in brackets") {
    const Result<ProcessInfo> info = read_process(2);
    if (!info || info->comm != "kthreadd") memtrace::test::skip("pid 2 is not kthreadd here (a container's pid namespace)");
    CHECK(info->kernel_thread);
    CHECK(info->command_line == "[kthreadd]");
    CHECK(info->rss_bytes == 0);
    CHECK_FALSE(memtrace::read_auxv(2, AT_ENTRY));
}

RULE("a pid without a process is an error with a hint") {
    for (const int pid : {0x7ffffffe, 0, -1}) {
        const Result<ProcessInfo> info = read_process(pid);
        REQUIRE_FALSE(info);
        CHECK(info.error().what == "no process with pid " + std::to_string(pid));
        CHECK_FALSE(info.error().hint.empty());
    }
    WaitingChild child([] {});
    const int ended = child.pid();
    child.end();
    CHECK(read_process(ended).error().what == "no process with pid " + std::to_string(ended));
}

RULE("a process that ended but was not waited for still reads, as a zombie") {
    const int pid = ::fork();
    if (pid == 0) ::_exit(0);
    siginfo_t ended = {};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT) == 0);
    const Result<ProcessInfo> info = read_process(pid);
    REQUIRE(info);
    CHECK(info->state == 'Z');
    CHECK(info->command_line == "[" + info->comm + "]");
    CHECK(info->rss_bytes == 0);
    ::waitpid(pid, nullptr, 0);
}

RULE("the auxiliary vector tells the entry point and program headers, and an absent entry is an error") {
    const Result<std::uint64_t> entry = memtrace::read_auxv(::getpid(), AT_ENTRY);
    REQUIRE(entry);
    CHECK(*entry == ::getauxval(AT_ENTRY));
    CHECK(*memtrace::read_auxv(::getpid(), AT_PHDR) == ::getauxval(AT_PHDR));
    CHECK_FALSE(memtrace::read_auxv(::getpid(), 987654));
    CHECK_FALSE(memtrace::read_auxv(0x7ffffffe, AT_ENTRY));
}

RULE("a process in another pid namespace has its number there, too") {
    const int pid = ::fork();
    if (pid == 0) {
        if (::unshare(CLONE_NEWPID) != 0) ::_exit(1);
        const int child = ::fork();
        if (child == 0) {
            ::pause();
            ::_exit(0);
        }
        // The namespace ends with its first process.
        Result<ProcessInfo> info = read_process(child);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        ::_exit(info && info->pid == child && info->namespace_pid == 1 ? 0 : 2);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1) skip("no right to make a pid namespace");
    CHECK(status == 0);
    CHECK(read_process(::getpid())->namespace_pid == ::getpid());
}
