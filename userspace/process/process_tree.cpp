#include "process/process_tree.hpp"

#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <thread>

#include "process/loading.hpp"
#include "process/thread_list.hpp"
#include "process/write_watch.hpp"

namespace memtrace {
namespace {

using Clock = std::chrono::steady_clock;

constexpr long tree_options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
constexpr long loading_options = PTRACE_O_TRACEEXEC;
constexpr int most_rounds = 64;  // new threads found in every one of them: they are made faster than we see
constexpr auto detach_limit = std::chrono::seconds(1);
// A child whose parent was killed in its fork is never told of; its parent's own stop comes at once otherwise.
constexpr auto orphan_age = std::chrono::milliseconds(300);

int event_message(int tid) {
    unsigned long message = 0;
    return ptrace(PTRACE_GETEVENTMSG, tid, nullptr, &message) == 0 ? static_cast<int>(message) : 0;
}

bool is_birth(int event) { return event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE; }

// Kernels without kcmp: only vfork is known to lend its memory.
bool shares_memory(int a, int b, int event) {
    const long order = syscall(SYS_kcmp, a, b, KCMP_VM, 0, 0);
    return order < 0 ? event == PTRACE_EVENT_VFORK : order == 0;
}

}  // namespace

// Until a look at all of them finds nobody new: who is already seized brings its children in by itself.
Result<std::vector<int>> ProcessTree::seize(int pid, std::vector<std::string>& left_out) {
    if (Result<void> done = seize_threads(pid); !done) return std::move(done).error();
    std::vector<int> members{pid}, refused;
    for (int round = 0; round < most_rounds; ++round) {
        bool found = false;
        for (const int child : descendants_of(pid)) {
            const auto is_child = [&](const std::vector<int>& pids) { return std::find(pids.begin(), pids.end(), child) != pids.end(); };
            if (is_child(members) || is_child(refused) || threads_.contains(child)) continue;
            found = true;
            Result<void> done = seize_threads(child);
            if (!done) left_out.push_back(done.error().what);
            (done ? members : refused).push_back(child);
        }
        if (!found) break;
    }
    return members;
}

Result<void> ProcessTree::seize_threads(int pid) {
    for (int round = 0; round < most_rounds; ++round) {
        bool found = false;
        for (const int tid : list_threads(pid)) {
            if (threads_.contains(tid)) continue;
            if (ptrace(PTRACE_SEIZE, tid, nullptr, reinterpret_cast<void*>(tree_options)) == 0) {
                threads_[tid] = {pid};
                found = true;
                continue;
            }
            const int code = errno;
            // It has ended, or its maker was ours and brought it in.
            if (code == ESRCH || needs_no_stop(pid, tid) || tracer_of(tid) == static_cast<int>(gettid())) continue;
            return cannot_seize(pid, tid, code);
        }
        if (!found) return {};
    }
    return Error{"pid " + std::to_string(pid) + " makes threads faster than they can be followed"};
}

void ProcessTree::adopt(int pid) {
    ptrace(PTRACE_SETOPTIONS, pid, nullptr, reinterpret_cast<void*>(tree_options));
    threads_[pid] = {pid, State::held};
}

std::optional<TreeEvent> ProcessTree::next() {
    for (;;) {
        if (std::optional<TreeEvent> event = next_deferred()) return event;
        int status = 0;
        const int tid = waitpid(-1, &status, __WALL | WNOHANG);
        if (tid <= 0) return adopt_orphan();
        if (std::optional<TreeEvent> event = handle(tid, status)) return event;
    }
}

std::optional<TreeEvent> ProcessTree::next_deferred() {
    while (!deferred_.empty()) {
        const Stop stop = deferred_.front();
        deferred_.pop_front();
        if (std::optional<TreeEvent> event = handle(stop.tid, stop.status)) return event;
    }
    return std::nullopt;
}

// Stops for a signal stay: only letting the thread go on would pass it on.
std::optional<TreeEvent> ProcessTree::next_while_held() {
    frozen_ = true;
    const auto is_news = [](const Stop& stop) {
        return !WIFSTOPPED(stop.status) || is_birth(event_of(stop.status)) || event_of(stop.status) == PTRACE_EVENT_EXEC;
    };
    for (auto at = deferred_.begin(); (at = std::find_if(at, deferred_.end(), is_news)) != deferred_.end();) {
        const Stop stop = *at;
        at = deferred_.erase(at);
        if (std::optional<TreeEvent> event = handle(stop.tid, stop.status)) return event;
    }
    return std::nullopt;
}

std::optional<TreeEvent> ProcessTree::handle(int tid, int status) {
    if (!WIFSTOPPED(status)) return handle_end(tid, status);
    const auto known = threads_.find(tid);
    if (known == threads_.end()) {
        early_.try_emplace(tid, Clock::now());
        return std::nullopt;
    }
    known->second.state = State::waiting;
    const int event = event_of(status);
    if (is_birth(event)) return handle_birth(tid, event);
    if (event == PTRACE_EVENT_EXEC) return handle_exec(tid);
    if (is_group_stop(status)) {
        known->second.state = State::running;  // as far as we are concerned
        ptrace(PTRACE_LISTEN, tid, nullptr, nullptr);
        return std::nullopt;
    }
    if (is_watched_write(tid, status)) {
        (void)watch_writes(tid, 0);
        go_on(tid, 0);
        return std::nullopt;
    }
    go_on(tid, signal_of(status));
    return std::nullopt;
}

// The newborn stops before it runs any code. False: it was killed even before.
bool ProcessTree::take_first_stop(int tid) {
    if (early_.erase(tid)) return true;
    int status = 0;
    pid_t got = 0;
    do got = waitpid(tid, &status, __WALL);
    while (got < 0 && errno == EINTR);
    return got == tid && WIFSTOPPED(status);
}

std::optional<TreeEvent> ProcessTree::handle_birth(int tid, int event) {
    const int child = event_message(tid);
    const int parent = threads_[tid].pid;
    if (child == 0 || !take_first_stop(child)) {
        go_on(tid, 0);
        return std::nullopt;
    }
    // It has its maker's options, which may end it with us.
    ptrace(PTRACE_SETOPTIONS, child, nullptr, reinterpret_cast<void*>(tree_options));
    const int child_pid = process_of(child).value_or(child);
    threads_[child] = {child_pid, State::held};
    const auto lender = lenders_.find(parent);
    const int memory = lender == lenders_.end() ? parent : lender->second;
    if (child_pid == child && !shares_memory(tid, child, event)) {
        threads_[tid].state = State::held;
        return TreeEvent{TreeEvent::Kind::forked, child, memory, tid, {}};
    }
    if (child_pid == child) lenders_[child] = memory;
    go_on(child, 0);
    go_on(tid, 0);
    return std::nullopt;
}

// The thread that executes becomes the main one; there are no others any more.
std::optional<TreeEvent> ProcessTree::handle_exec(int pid) {
    std::erase_if(threads_, [&](const auto& entry) { return entry.second.pid == pid && entry.first != pid; });
    threads_[pid] = {pid, State::held};
    lenders_.erase(pid);
    return TreeEvent{TreeEvent::Kind::executed, pid, 0, pid, {}};
}

std::optional<TreeEvent> ProcessTree::handle_end(int tid, int status) {
    early_.erase(tid);
    const auto known = threads_.find(tid);
    if (known == threads_.end()) return std::nullopt;
    const bool whole = known->second.pid == tid;
    threads_.erase(known);
    if (!whole) return std::nullopt;
    std::erase_if(threads_, [&](const auto& entry) { return entry.second.pid == tid; });
    lenders_.erase(tid);
    return TreeEvent{TreeEvent::Kind::ended, tid, 0, tid, ending_of(status)};
}

std::optional<TreeEvent> ProcessTree::adopt_orphan() {
    for (auto at = early_.begin(); at != early_.end(); ++at) {
        if (Clock::now() - at->second < orphan_age) continue;
        const int tid = at->first;
        early_.erase(at);
        ptrace(PTRACE_SETOPTIONS, tid, nullptr, reinterpret_cast<void*>(tree_options));
        const int pid = process_of(tid).value_or(tid);
        threads_[tid] = {pid, State::held};
        if (pid == tid) return TreeEvent{TreeEvent::Kind::forked, pid, 0, 0, {}};
        go_on(tid, 0);
        break;
    }
    return std::nullopt;
}

void ProcessTree::go_on(int tid, int signal) {
    if (frozen_) return;
    ptrace(PTRACE_CONT, tid, nullptr, signal_argument(signal));
    if (const auto known = threads_.find(tid); known != threads_.end()) known->second.state = State::running;
}

void ProcessTree::resume(int tid) {
    if (const auto known = threads_.find(tid); known != threads_.end() && known->second.state == State::held) go_on(tid, 0);
}

Result<void> ProcessTree::load(int pid, const std::function<Result<void>()>& mapped) {
    std::optional<int> status;
    // Libraries may make threads and processes before the entry point and wait for them: these are not held. The threads are taken in
    // afterwards; processes are not followed.
    Result<void> done = run_to_entry(pid, loading_options, mapped, status);
    if (status) {
        deferred_.push_back({pid, *status});
        return done;
    }
    ptrace(PTRACE_SETOPTIONS, pid, nullptr, reinterpret_cast<void*>(tree_options));
    Result<void> seized = seize_threads(pid);
    return done ? std::move(seized) : std::move(done);
}

void ProcessTree::set_up(int pid, std::uint64_t word, const std::function<void()>& stored) {
    std::optional<int> stop;
    run_through_setup(pid, tree_options, word, stored, stop);
    if (!stop) return;
    deferred_.push_back({pid, *stop});
    threads_[pid].state = State::waiting;
}

std::vector<int> ProcessTree::threads_of(int pid) const {
    std::vector<int> tids;
    for (const auto& [tid, thread] : threads_)
        if (pid == 0 || thread.pid == pid) tids.push_back(tid);
    return tids;
}

// Any stop ends what PTRACE_INTERRUPT asked for: no second one follows.
bool ProcessTree::wait_stopped(int tid, Clock::time_point deadline) {
    for (;;) {
        int status = 0;
        const int got = waitpid(tid, &status, __WALL | WNOHANG);
        if (got < 0 && errno != EINTR) return true;  // gone with its process
        if (got == tid) {
            const bool ours = WIFSTOPPED(status) && event_of(status) == PTRACE_EVENT_STOP && !is_group_stop(status);
            threads_[tid].state = ours ? State::interrupted : State::waiting;
            if (!ours) deferred_.push_back({tid, status});
            return true;
        }
        if (needs_no_stop(threads_[tid].pid, tid)) return true;
        if (Clock::now() > deadline) return false;
        std::this_thread::yield();
    }
}

bool ProcessTree::hold(int pid, std::chrono::milliseconds limit) {
    const Clock::time_point deadline = Clock::now() + limit;
    std::vector<int> running;
    for (const int tid : threads_of(pid))
        if (threads_[tid].state == State::running && ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr) == 0) running.push_back(tid);
    bool all = true;
    for (const int tid : running) all = wait_stopped(tid, deadline) && all;
    return all;
}

void ProcessTree::release(int pid) {
    for (const int tid : threads_of(pid))
        if (threads_[tid].state == State::interrupted) go_on(tid, 0);
}

void ProcessTree::detach_all() {
    hold(0, detach_limit);
    // Who was just born is let go with its parent.
    for (const Stop& stop : deferred_) {
        if (!WIFSTOPPED(stop.status)) continue;
        if (const int child = is_birth(event_of(stop.status)) ? event_message(stop.tid) : 0; child != 0 && take_first_stop(child))
            ptrace(PTRACE_DETACH, child, nullptr, nullptr);
        ptrace(PTRACE_DETACH, stop.tid, nullptr, signal_argument(signal_of(stop.status)));
        threads_.erase(stop.tid);
    }
    for (const auto& [tid, since] : early_) ptrace(PTRACE_DETACH, tid, nullptr, nullptr);
    for (const auto& [tid, thread] : threads_) ptrace(PTRACE_DETACH, tid, nullptr, nullptr);
    deferred_.clear();
    early_.clear();
    threads_.clear();
    frozen_ = false;
}

}  // namespace memtrace
