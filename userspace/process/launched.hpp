// A program started by us and held before its first instruction: stepped through its loading, so that every library can be
// probed before any code in it has run.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "process/ptrace_stops.hpp"
#include "util/result.hpp"

namespace memtrace {

/// Move-only. Our child and tracee; the kernel lets it run on if we die (but ends it if we die while it is loading, when it could not
/// run on). Destruction lets it run on, too.
class Launched {
public:
    /// Starts `arguments` (found through PATH) as the user who called sudo, if any; it is held right after exec.
    /// Errors: not found or not executable (the hint says which), fork failed.
    static Result<Launched> start(const std::vector<std::string>& arguments);
    Launched(Launched&& other) noexcept
        : pid_(std::exchange(other.pid_, 0)),
          traced_(other.traced_),
          held_(other.held_),
          interrupted_(other.interrupted_),
          pending_(other.pending_),
          ending_(other.ending_) {}
    Launched& operator=(Launched&&) = delete;
    ~Launched();

    [[nodiscard]] int pid() const { return pid_; }

    /// Runs the held program up to its entry point, all libraries loaded and none of their code run. `mapped` is called whenever
    /// new code was mapped, the program being held; its failure ends the loading early and is returned.
    Result<void> load(const std::function<Result<void>()>& mapped);
    /// After load(): lets it set up its allocators (run_through_setup()); held again. What else happened is told by handle_events().
    void set_up(std::uint64_t word, const std::function<void()>& stored);
    /// Lets the program run.
    void resume();
    /// Stops its main thread, the only one that is our tracee. False: it does not stop in time. What it was stopped for instead is
    /// handled by handle_events() later.
    bool hold(std::chrono::milliseconds limit = std::chrono::milliseconds(200));
    /// Lets it run on after hold().
    void let_go();
    /// Handles what happened to it since (call on SIGCHLD): signals are passed on. True when it executed another program: it is
    /// then held as after start().
    bool handle_events();
    [[nodiscard]] const std::optional<Ending>& ending() const { return ending_; }
    /// Ends it before it has run any code of its own.
    void cancel();
    /// Gives the held program away: from now on it is another's tracee (ProcessTree).
    int hand_over() { return std::exchange(pid_, 0); }
    /// Stops being its tracer.
    void release();

private:
    explicit Launched(int pid) : pid_(pid) {}
    void ended(int status);
    bool handle(int status);

    int pid_ = 0;
    bool traced_ = true;
    bool held_ = true;            ///< By us: stopped after an exec or while loading.
    bool interrupted_ = false;    ///< By hold().
    std::optional<int> pending_;  ///< A stop found while setting up or holding, to be handled.
    std::optional<Ending> ending_;
};

}  // namespace memtrace
