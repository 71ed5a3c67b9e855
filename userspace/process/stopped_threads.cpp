#include "process/stopped_threads.hpp"

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <thread>

#include "process/thread_list.hpp"

namespace memtrace {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int most_rounds = 16;  // new threads found in every one of them: the process makes threads faster than we see

// Detaching needs a stopped thread. A signal that stopped it instead of us is delivered, not swallowed.
void release(int tid, int status) {
    const bool by_signal = WIFSTOPPED(status) && status >> 16 == 0;
    ptrace(PTRACE_DETACH, tid, nullptr, by_signal ? reinterpret_cast<void*>(static_cast<long>(WSTOPSIG(status))) : nullptr);
}

enum class Wait { stopped, gone, late };

Wait wait_stopped(int tid, Clock::time_point deadline) {
    for (;;) {
        int status = 0;
        const int got = waitpid(tid, &status, __WALL | WNOHANG);
        if (got < 0 && errno != EINTR) return Wait::gone;
        if (got == tid) {
            if (!WIFSTOPPED(status)) return Wait::gone;
            if (status >> 16 == PTRACE_EVENT_STOP) return Wait::stopped;
            // A signal came first: let it through; the stop we asked for is still to come.
            ptrace(PTRACE_CONT, tid, nullptr, reinterpret_cast<void*>(static_cast<long>(WSTOPSIG(status))));
        }
        if (Clock::now() > deadline) return Wait::late;
        std::this_thread::yield();
    }
}

}  // namespace

Result<StoppedThreads> StoppedThreads::stop(int pid, std::chrono::milliseconds limit, int except) {
    StoppedThreads stopped;
    const Clock::time_point deadline = Clock::now() + limit;
    for (int round = 0; round < most_rounds; ++round) {
        std::vector<int> fresh;
        for (const int tid : list_threads(pid)) {
            if (tid == except || std::find(stopped.tids_.begin(), stopped.tids_.end(), tid) != stopped.tids_.end()) continue;
            if (needs_no_stop(pid, tid)) continue;
            if (ptrace(PTRACE_SEIZE, tid, nullptr, nullptr) != 0) {
                const int code = errno;
                if (code == ESRCH || needs_no_stop(pid, tid)) continue;  // it ended just then
                return errno_error("stopping thread " + std::to_string(tid), code, "is a debugger attached to the process?");
            }
            ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
            stopped.tids_.push_back(tid);  // ours from here on, whatever comes next
            fresh.push_back(tid);
        }
        if (fresh.empty()) return stopped;
        bool late = false;
        for (const int tid : fresh) {
            const Wait result = wait_stopped(tid, deadline);
            if (result == Wait::late) late = true;
            if (result == Wait::gone) std::erase(stopped.tids_, tid);
        }
        if (late) return Error{"a thread of pid " + std::to_string(pid) + " did not stop in time (it waits in the kernel)"};
    }
    return Error{"pid " + std::to_string(pid) + " makes threads faster than they can be stopped"};
}

StoppedThreads::~StoppedThreads() {
    // First all that are stopped, so that none of them waits for one that is not.
    std::erase_if(tids_, [](int tid) { return ptrace(PTRACE_DETACH, tid, nullptr, nullptr) == 0 || errno != ESRCH; });
    for (const int tid : tids_) {
        // Not stopped yet: wait until it is. The kernel stops it before it runs any code of its own.
        int status = 0;
        if (waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status)) release(tid, status);
    }
}

}  // namespace memtrace
