// Brings what the processes of a tree do (ptrace) into the session and the collector: births, new programs, ends.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "loader/session.hpp"
#include "process/process_tree.hpp"
#include "reader/collector.hpp"
#include "util/result.hpp"

namespace memtrace {

/// How often something was held, and for how long.
struct Holds {
    std::size_t count = 0;
    std::chrono::nanoseconds total{}, longest{};
    void add(std::chrono::nanoseconds time);
};

/// Keeps references; the session's processes are in the tree.
class Follower {
public:
    Follower(ProcessTree& tree, Session& session, Collector& collector)
        : tree_(tree), session_(session), collector_(collector), root_(session.target().pid()) {}

    /// Traces `pids`, running processes that are in the tree, from now on. What cannot be traced is noted.
    void add_running(const std::vector<int>& pids);
    /// The root, held right after its exec, is probed while it loads, and goes on.
    Result<void> load_root();
    /// Handles all that has happened. Never waits for a process that runs.
    void handle_events();
    /// Writes pointers again that programs have replaced: those of programs that have just begun, or of all.
    void check_redirects(bool all);
    /// Stops every process for a moment, puts their pointers back, and lets go of all.
    Result<void> finish();

    /// All processes have ended.
    [[nodiscard]] bool all_ended() const { return tree_.empty(); }
    /// Of the first process.
    [[nodiscard]] const std::optional<Ending>& ending() const { return ending_; }
    /// What following has cost, in words; empty when there was nothing.
    [[nodiscard]] std::string summary() const;

private:
    enum class Birth : bool { goes_on, stays_held };
    void handle_fork(const TreeEvent& event, Birth birth);
    void handle_exec(const TreeEvent& event);
    void handle_end(const TreeEvent& event);
    Result<void> load(TracedProcess& process);
    void not_traced(int pid, const Error& error);

    ProcessTree& tree_;
    Session& session_;
    Collector& collector_;
    int root_;
    std::optional<Ending> ending_;
    std::size_t ended_since_ = 0;  ///< Ends that the collector has not taken over.
    std::chrono::steady_clock::time_point taken_over_ = std::chrono::steady_clock::now();
    std::vector<std::string> untraced_;
    Holds parents_, children_, programs_;
};

}  // namespace memtrace
