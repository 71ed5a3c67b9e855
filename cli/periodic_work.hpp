// What a trace does again and again: displays, snapshots, looks at the program's tables and at its own cost.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>

#include "attachment.hpp"
#include "call_trace.hpp"
#include "display.hpp"
#include "loader/guard.hpp"
#include "options.hpp"
#include "screen/screen.hpp"
#include "terminal.hpp"

namespace memtrace::cli {

/// Times are those of the steady clock: setting the machine's clock changes none of them. Keeps references.
class PeriodicWork {
public:
    using Clock = std::chrono::steady_clock;

    PeriodicWork(const TraceOptions& options, Attachment& attachment, std::FILE* out);
    /// Displays go to this screen, until it is null again. Before begin().
    void show_on(screen::Screen* screen);
    /// The next display is due: now, or after the time that is set.
    void show_soon(Clock::time_point now) { next_top_ = now; }
    void show_later(Clock::time_point now);
    /// Counting has begun.
    void begin(Clock::time_point now);
    [[nodiscard]] Clock::time_point next_due() const;
    /// Errors: the display cannot be written, which ends the trace.
    Result<void> do_what_is_due(Clock::time_point now);
    /// Every report that was asked for has been shown.
    [[nodiscard]] bool finished() const { return finished_; }
    /// To be polled: readable when single blocks are to be told; writable when what is shown has waited for its reader. -1: neither.
    [[nodiscard]] int calls_fd() const { return calls_ && !display_.waits() ? attachment_.session().kernel().calls_poll_fd() : -1; }
    [[nodiscard]] int display_fd() const { return calls_ && display_.waits() ? display_.fd() : -1; }
    /// The last display, of the state at the end.
    Result<void> report(const Snapshot& last, const char* reason);
    /// What went wrong on the way without ending the trace: told at the end.
    [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }

private:
    Result<void> show();
    Result<void> tell_calls();
    std::string leaks(const Snapshot& now, bool at_end);
    void show_on_screen();
    [[nodiscard]] Clock::duration interval() const;
    void write_snapshot_file();
    void complain(const Error& error);
    void remove_oldest(const std::string& written);
    void keep_below_limit();
    [[nodiscard]] Error output_failure() const;

    const TraceOptions& options_;
    Attachment& attachment_;
    std::FILE* out_;
    Display display_;
    Terminal terminal_;
    screen::Screen* screen_ = nullptr;
    std::optional<OverheadGuard> guard_;  ///< With --max-overhead.
    std::optional<Snapshot> before_;      ///< Which display's state the CHANGE column compares with.
    std::optional<SiteNames> sites_;      ///< Of `leaks`.
    std::optional<CallTrace> calls_;      ///< Likewise, where each block is told.
    unsigned shown_ = 0;                  ///< Reports, or states on the screen.
    bool finished_ = false;
    unsigned written_ = 0;
    std::deque<std::string> files_;  ///< With --snapshot-keep: those that stand, oldest first.
    std::optional<Clock::time_point> complained_;
    unsigned failed_since_ = 0;  ///< Files that could not be written and were not told of.
    std::optional<Error> failure_;
    Clock::time_point next_top_{}, next_file_{}, next_check_{}, next_guard_{};
};

}  // namespace memtrace::cli
