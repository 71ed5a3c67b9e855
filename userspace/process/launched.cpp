#include "process/launched.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "process/loading.hpp"
#include "process/ptrace_stops.hpp"
#include "process/write_watch.hpp"
#include "util/invoker.hpp"
#include "util/unique_fd.hpp"

namespace memtrace {
namespace {

constexpr long trace_options = PTRACE_O_TRACEEXEC;
constexpr auto release_limit = std::chrono::seconds(1);

// Under sudo the program belongs to who called sudo, with all of their groups.
bool become_invoking_user() {
    const std::optional<Invoker> user = invoker();
    if (!user || user->uid == 0) return true;
    const passwd* entry = getpwuid(user->uid);
    const int groups = entry ? initgroups(entry->pw_name, user->gid) : setgroups(0, nullptr);
    return groups == 0 && setgid(user->gid) == 0 && setuid(user->uid) == 0;
}

// Never returns. Waits for the tracer, then becomes the program; tells the errno of a failure.
[[noreturn]] void become_program(int go, int failure, const std::vector<std::string>& arguments) {
    char byte = 0;
    if (read(go, &byte, 1) != 1) _exit(127);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(SIGPIPE, SIG_DFL);
    std::vector<char*> argv;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    if (become_invoking_user()) execvp(argv[0], argv.data());
    const int code = errno;
    [[maybe_unused]] const ssize_t told = write(failure, &code, sizeof code);
    _exit(code == ENOENT ? 127 : 126);
}

}  // namespace

Result<Launched> Launched::start(const std::vector<std::string>& arguments) {
    int go[2], failure[2];
    if (pipe2(go, O_CLOEXEC) != 0) return errno_error("making a pipe", errno);
    UniqueFd go_read(go[0]), go_write(go[1]);
    if (pipe2(failure, O_CLOEXEC) != 0) return errno_error("making a pipe", errno);
    UniqueFd failure_read(failure[0]), failure_write(failure[1]);
    const pid_t pid = fork();
    if (pid < 0) return errno_error("starting " + arguments[0], errno);
    if (pid == 0) {
        go_write.reset();  // or our death would not be noticed
        become_program(go_read.get(), failure_write.get(), arguments);
    }
    Launched launched(pid);
    failure_write.reset();
    if (ptrace(PTRACE_SEIZE, pid, nullptr, reinterpret_cast<void*>(trace_options)) != 0) {
        const int code = errno;
        kill(pid, SIGKILL);
        waitpid(pid, nullptr, 0);
        launched.pid_ = 0;
        return errno_error("tracing " + arguments[0], code, "is ptrace forbidden here?");
    }
    [[maybe_unused]] const ssize_t told = write(go_write.get(), "g", 1);
    int status = 0;
    while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
        if (event_of(status) == PTRACE_EVENT_EXEC) return launched;
        ptrace(PTRACE_CONT, pid, nullptr, signal_argument(signal_of(status)));
    }
    launched.pid_ = 0;
    int code = EIO;
    [[maybe_unused]] const ssize_t got = read(failure_read.get(), &code, sizeof code);
    return errno_error("running " + arguments[0], code, code == ENOENT ? "no such program in PATH" : "");
}

Launched::~Launched() {
    if (pid_ > 0 && !ending_) release();
}

void Launched::ended(int status) { ending_ = ending_of(status); }

Result<void> Launched::load(const std::function<Result<void>()>& mapped) {
    std::optional<int> status;
    Result<void> done = run_to_entry(pid_, trace_options, mapped, status);
    if (status && WIFSTOPPED(*status))
        pending_ = status;
    else if (status)
        ended(*status);
    return done;
}

void Launched::set_up(std::uint64_t word, const std::function<void()>& stored) { run_through_setup(pid_, trace_options, word, stored, pending_); }

void Launched::resume() {
    held_ = false;
    if (!pending_) ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
}

bool Launched::hold(std::chrono::milliseconds limit) {
    if (held_ || pending_ || ending_) return true;
    if (ptrace(PTRACE_INTERRUPT, pid_, nullptr, nullptr) != 0) return errno == ESRCH;
    const auto deadline = std::chrono::steady_clock::now() + limit;
    int status = 0;
    pid_t got = 0;
    while ((got = waitpid(pid_, &status, __WALL | WNOHANG)) == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    if (got != pid_) return false;
    interrupted_ = WIFSTOPPED(status) && event_of(status) == PTRACE_EVENT_STOP && !is_group_stop(status);
    if (!interrupted_) pending_ = status;
    return true;
}

void Launched::let_go() {
    if (std::exchange(interrupted_, false)) ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
}

bool Launched::handle_events() {
    if (const std::optional<int> status = std::exchange(pending_, std::nullopt); status && handle(*status)) return true;
    int status = 0;
    while (!ending_ && waitpid(pid_, &status, __WALL | WNOHANG) == pid_)
        if (handle(status)) return true;
    return false;
}

// True at an exec.
bool Launched::handle(int status) {
    if (!WIFSTOPPED(status)) {
        ended(status);
        return false;
    }
    if (event_of(status) == PTRACE_EVENT_EXEC) return held_ = true;
    // Stopped by a terminal or SIGSTOP: it stays stopped until somebody continues it.
    if (is_group_stop(status)) {
        ptrace(PTRACE_LISTEN, pid_, nullptr, nullptr);
    } else if (is_watched_write(pid_, status)) {
        (void)watch_writes(pid_, 0);
        ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
    } else {
        ptrace(PTRACE_CONT, pid_, nullptr, signal_argument(signal_of(status)));
    }
    return false;
}

void Launched::cancel() {
    kill(pid_, SIGKILL);
    int status = 0;
    if (waitpid(pid_, &status, __WALL) == pid_) ended(status);
}

// Detaching needs a stop. One that is there already may be a signal on its way to the program: it is passed on, not dropped.
void Launched::release() {
    if (!std::exchange(traced_, false) || ending_) return;
    if (held_) {
        ptrace(PTRACE_DETACH, pid_, nullptr, nullptr);
        return;
    }
    if (ptrace(PTRACE_INTERRUPT, pid_, nullptr, nullptr) != 0) return;
    const auto deadline = std::chrono::steady_clock::now() + release_limit;
    int status = 0;
    pid_t got = 0;
    while ((got = waitpid(pid_, &status, __WALL | WNOHANG)) == 0 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (got != pid_) return;  // it does not stop (its main thread is gone): the kernel lets go of it when we end
    if (!WIFSTOPPED(status)) return ended(status);
    ptrace(PTRACE_DETACH, pid_, nullptr, signal_argument(signal_of(status)));
}

}  // namespace memtrace
