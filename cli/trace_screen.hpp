// The full-screen display of a trace: where it is wanted, and how its keys act on the trace.
#pragma once

#include <memory>

#include "options.hpp"
#include "screen/screen.hpp"
#include "signals.hpp"
#include "trace_actions.hpp"

namespace memtrace::cli {

/// Keeps references.
class TraceScreen {
public:
    /// Null: it is not wanted here, or cannot be had: the display is plain text.
    static std::unique_ptr<TraceScreen> open(const TraceOptions& options, Session& session, Collector& collector, control::Service& service,
                                             Signals& signals);

    /// Signals that concern the display. False: this one does not.
    bool handle_signal(int signal);
    /// `events`: what poll() said of its input. What the loop has to do besides.
    struct Wishes {
        bool end = false;
        bool refresh = false;   ///< A new state is wanted now.
        bool interval = false;  ///< The time between refreshes has changed.
    };
    Wishes handle_input(short events);
    [[nodiscard]] screen::Screen& screen() { return *screen_; }

private:
    TraceScreen(const TraceOptions& options, std::unique_ptr<screen::Screen> screen, TraceActions actions)
        : options_(options), screen_(std::move(screen)), actions_(actions) {}
    const TraceOptions& options_;
    std::unique_ptr<screen::Screen> screen_;
    TraceActions actions_;
};

/// Sources as each process sees them.
screen::ReadSource sources_of_processes();

}  // namespace memtrace::cli
