// A process and everything it makes, by ptrace: each new process and each new program is held before it runs any code, and told of.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "process/ptrace_stops.hpp"
#include "util/result.hpp"

namespace memtrace {

/// What happened in the tree.
struct TreeEvent {
    enum class Kind {
        forked,    ///< `pid` is new and has a copy of `parent`'s memory; it and `thread`, which forked, are held until resumed.
        executed,  ///< `pid` runs another program, held right after exec until resumed.
        ended,     ///< `pid` is gone, and its number may be another's from now on.
    };
    Kind kind = Kind::ended;
    int pid = 0;
    int parent = 0;  ///< 0: not known, it died in the fork.
    int thread = 0;
    Ending ending;
};

/// Tracer of all threads of the processes in it, on one thread of ours. Signals are passed on, group stops respected; what is held has
/// its stops kept until it goes on. When we die, or by detach_all(), everything runs on.
class ProcessTree {
public:
    ProcessTree() = default;
    ProcessTree(const ProcessTree&) = delete;
    ProcessTree& operator=(const ProcessTree&) = delete;
    ~ProcessTree() { detach_all(); }

    /// Takes a running process and all of its descendants in; none of them stops for it. The pids, the given one first.
    /// Errors: it has a debugger, or ptrace is forbidden here. Descendants that cannot be taken in are left out, `left_out` tells why.
    Result<std::vector<int>> seize(int pid, std::vector<std::string>& left_out);
    /// Takes a tracee in that is held right after exec; it stays held.
    void adopt(int pid);

    /// What has happened next; nothing when nothing has. Never waits.
    std::optional<TreeEvent> next();
    /// The same of what hold() has found, everything being held: nothing goes on by it, until detach_all().
    std::optional<TreeEvent> next_while_held();
    /// Lets a thread run on that an event holds.
    void resume(int tid);
    /// Runs the held program `pid` up to its entry point (run_to_entry()); held there. If it ends meanwhile, that is a later event.
    Result<void> load(int pid, const std::function<Result<void>()>& mapped);
    /// After load(): lets it set up its allocators (run_through_setup()); held again. What else happened is a later event.
    void set_up(int pid, std::uint64_t word, const std::function<void()>& stored);

    /// Stops all threads of process `pid`, or of all (0). False when one did not stop in time. What they were stopped for instead is told
    /// by next() later.
    bool hold(int pid, std::chrono::milliseconds limit = std::chrono::milliseconds(200));
    /// Lets them run on, but not what an event holds.
    void release(int pid);
    /// Lets go of everything (as destruction does). Threads that do not stop are let go by the kernel when we end.
    void detach_all();

    [[nodiscard]] bool empty() const { return threads_.empty(); }

private:
    enum class State : std::uint8_t {
        running,
        interrupted,  ///< By hold(), and nothing else.
        waiting,      ///< Stopped by something that next() has not looked at yet.
        held,         ///< By an event that was told.
    };
    struct Thread {
        int pid = 0;
        State state = State::running;
    };
    Result<void> seize_threads(int pid);
    std::optional<TreeEvent> handle(int tid, int status);
    std::optional<TreeEvent> handle_birth(int tid, int event);
    std::optional<TreeEvent> handle_exec(int pid);
    std::optional<TreeEvent> handle_end(int tid, int status);
    std::optional<TreeEvent> adopt_orphan();
    std::optional<TreeEvent> next_deferred();
    bool take_first_stop(int tid);
    void go_on(int tid, int signal);
    bool wait_stopped(int tid, std::chrono::steady_clock::time_point deadline);
    [[nodiscard]] std::vector<int> threads_of(int pid) const;

    struct Stop {
        int tid = 0;
        int status = 0;
    };
    std::unordered_map<int, Thread> threads_;
    std::unordered_map<int, int> lenders_;  ///< Process → whose memory it uses until it executes something (vfork).
    std::deque<Stop> deferred_;             ///< Stops found while holding.
    bool frozen_ = false;                   ///< Nothing goes on.
    /// Stopped at birth before their parent told of them: since when.
    std::unordered_map<int, std::chrono::steady_clock::time_point> early_;
};

}  // namespace memtrace
