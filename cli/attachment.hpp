// What is traced and how it is held, from attaching to letting go: a running process, a command of ours, or with --follow all that
// either of them makes.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "options.hpp"
#include "process/file_keeper.hpp"
#include "process/launched.hpp"
#include "reader/follower.hpp"
#include "symbolizer/debuginfod.hpp"
#include "util/result.hpp"

namespace memtrace::cli {

/// Not moved: the session calls back into it. Destroying it lets everything run on as it was.
class Attachment {
public:
    using Clock = std::chrono::steady_clock;

    explicit Attachment(const TraceOptions& options) : options_(options) {}
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;

    /// When it returns, allocations are counted.
    Result<void> attach();
    /// Handles what the processes did since the last call. `target_ended`: pidfd() was readable.
    void handle_events(bool target_ended);
    /// Why there is nothing more to trace; null: there is.
    [[nodiscard]] const char* over() const { return over_; }
    /// A program may install allocators of its own, an interpreter that is starting does: their tables are looked at, and followed.
    void check_tables(Clock::time_point now);
    /// Pointers are put back, probes removed, processes let go. Errors: a pointer that could not be put back.
    Result<void> finish();

    /// To be polled; -1: there is nothing to wait for but SIGCHLD.
    [[nodiscard]] int pidfd() const { return follower_ ? -1 : session_->target().pidfd(); }
    /// It runs a program of ours, which shares our terminal.
    [[nodiscard]] bool runs_command() const { return launched_ || command_pid_; }
    /// Of the command, as a shell has it; 0 where there is none, or it runs on.
    [[nodiscard]] int exit_status() const;
    /// What following has cost, in words; may be empty.
    [[nodiscard]] std::string summary() const { return follower_ ? follower_->summary() : ""; }
    [[nodiscard]] Session& session() { return *session_; }
    [[nodiscard]] Collector& collector() { return *collector_; }

private:
    Result<void> attach_running();
    Result<void> follow_command();
    Result<void> follow_running();
    Result<void> load_image();
    std::shared_ptr<void> hold(int pid);
    std::shared_ptr<void> hold_launched();
    void handle_program();
    void check_for_exec();
    void make_collector() { collector_.emplace(*session_, debuginfod_ ? &*debuginfod_ : nullptr); }
    void wait_for_debug_files();
    void follow_new_code();
    void replan();
    void end_because(const char* reason);

    const TraceOptions& options_;
    std::optional<Launched> launched_;
    std::optional<FileKeeper> keeper_;
    std::optional<Debuginfod> debuginfod_;
    ProcessTree tree_;  ///< Of --follow; outlives the session, which holds threads still by it.
    std::optional<Session> session_;
    std::optional<Collector> collector_;
    std::optional<Follower> follower_;
    int command_pid_ = 0;  ///< Of the command that is followed.
    const char* over_ = nullptr;
    bool replanned_ = false;
    std::optional<Clock::time_point> exec_seen_;
    Clock::time_point next_check_of_all_{};
};

}  // namespace memtrace::cli
