// `memtrace-bpf -p PID` and `memtrace-bpf -- COMMAND`: attach, show a top periodically, end with a report.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <utility>

#include "attachment.hpp"
#include "commands.hpp"
#include "control/listener.hpp"
#include "control/server.hpp"
#include "control/service.hpp"
#include "exit_gates.hpp"
#include "format/pprof.hpp"
#include "loader/requirements.hpp"
#include "logged_ending.hpp"
#include "messages.hpp"
#include "periodic_work.hpp"
#include "signals.hpp"
#include "trace.hpp"
#include "trace_screen.hpp"

namespace memtrace::cli {
namespace {

using Clock = std::chrono::steady_clock;

Clock::duration seconds(double s) { return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s)); }

// Found before tracing, not after an hour of it.
Result<void> check_output(const std::string& path) {
    if (path.empty()) return {};
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    std::error_code code;
    if (std::filesystem::is_directory(path, code)) return Error{path + " is a directory", "-o wants the name of a file"};
    if (!std::filesystem::is_directory(folder.empty() ? "." : folder, code))
        return Error{"cannot write " + path + ": " + folder.string() + " is no directory"};
    if (access(folder.empty() ? "." : folder.c_str(), W_OK) != 0) return errno_error("cannot write " + path, errno);
    return {};
}

// The program's output is not ours to write to, and JSON on standard output is to stand alone.
std::FILE* display_of(const TraceOptions& options) { return options.command.empty() && options.summary != "-" ? stdout : stderr; }

class Tracer {
public:
    Tracer(const TraceOptions& options, std::function<bool()> ready)
        : options_(options), ready_(std::move(ready)), attachment_(options), work_(options, attachment_, display_of(options)) {}

    // Who waits for the end of a trace in the background then finds the log of one that has failed, and no other.
    Result<int> run() {
        Result<int> outcome = trace();
        if (!outcome || options_.log.empty()) return outcome;
        if (*outcome == 0)
            unlink(options_.log.c_str());
        else
            std::fputs(ending_line(*outcome).c_str(), stderr);
        return outcome;
    }

private:
    Result<int> trace() {
        Result<Signals> signals = Signals::block();
        if (!signals) return std::move(signals).error();
        signals_.emplace(*std::move(signals));
        for (const std::string& path : {options_.output, options_.summary == "-" ? "" : options_.summary})
            if (Result<void> done = check_output(path); !done) return std::move(done).error();
        if (Result<void> done = require_all(); !done) return std::move(done).error();
        // A socket that was asked for and cannot be had ends it before anything is touched.
        if (!options_.socket.empty())
            if (Result<void> done = listen(0); !done) return std::move(done).error();
        if (Result<void> done = attachment_.attach(); !done) return std::move(done).error();
        if (Result<void> done = open_to_commands(); !done) return std::move(done).error();
        announce();
        if (ready_()) {
            screen_ = TraceScreen::open(options_, attachment_.session(), attachment_.collector(), *service_, *signals_);
            if (screen_) work_.show_on(&screen_->screen());
            watch();
        }
        return finish();
    }

    void announce() {
        const Session& session = attachment_.session();
        const Plan& plan = session.plan();
        const std::string others = session.processes().size() > 1 ? ", and " + std::to_string(session.processes().size() - 1) + " below it" : "";
        std::fprintf(stderr, "memtrace-bpf: tracing pid %d with %zu probes, %zu redirected pointers%s\n", session.target().pid(), plan.probes.size(),
                     plan.redirects.size(), others.c_str());
        // Calls that go on just now are no doubt yet.
        for (const std::string& note : session.mark_notes())
            if (note.find(" calls were not seen to end") == std::string::npos) std::fprintf(stderr, "memtrace-bpf: %s\n", note.c_str());
    }

    Result<void> listen(int pid) {
        Result<control::Listener> listener = control::Listener::open(pid, options_.socket);
        if (!listener) return std::move(listener).error();
        listener_.emplace(*std::move(listener));
        return {};
    }

    // Nobody is answered before allocations are counted; who has connected meanwhile waits.
    Result<void> open_to_commands() {
        Session& session = attachment_.session();
        service_.emplace(session, attachment_.collector(),
                         control::ServiceOptions{options_.checkpoint_memory, options_.checkpoint_folder, options_.log});
        Result<void> done;
        if (!listener_) done = listen(session.target().pid());
        if (done) {
            const auto admits = [this](const control::Peer& peer) { return service_->admits(peer); };
            const auto answers = [this](const control::Peer& peer, std::string_view line) { return service_->answer(peer, line); };
            Result<std::unique_ptr<control::Server>> server = control::Server::open(*std::move(listener_), admits, answers);
            if (server)
                server_ = *std::move(server);
            else
                done = std::move(server).error();
        }
        if (done || !options_.log.empty()) return done;
        // A trace with a display is of use without.
        warn(Error{"no command can reach this trace: " + done.error().what});
        return {};
    }

    void handle_peers() {
        if (!server_) return;
        server_->handle();
        if (service_->stop_requested()) ended_ = true;
        if (!options_.follow) return;
        std::vector<int> pids;
        for (const auto& process : attachment_.session().processes())
            if (!process->ended()) pids.push_back(process->pid());
        if (pids == linked_) return;
        server_->listener().link(pids);
        linked_ = std::move(pids);
    }

    // Until the time is up, a signal, the target's end, or its exec of something else.
    void watch() {
        const Clock::time_point begin = Clock::now();
        work_.begin(begin);
        const Clock::time_point end = options_.duration_s ? begin + seconds(*options_.duration_s) : Clock::time_point::max();
        while (!ended_ && !attachment_.over()) {
            const auto due = std::min({work_.next_due(), end, attachment_.session().code_due()});
            const auto wait = std::chrono::ceil<std::chrono::milliseconds>(due - Clock::now()).count();
            pollfd fds[] = {{signals_->fd(), POLLIN, 0},
                            {attachment_.session().kernel().poll_fd(), POLLIN, 0},
                            {attachment_.pidfd(), POLLIN, 0},
                            {server_ ? server_->poll_fd() : -1, POLLIN, 0},
                            {attachment_.session().code_fd(), POLLIN, 0},
                            {work_.calls_fd(), POLLIN, 0},
                            {work_.display_fd(), POLLOUT, 0},
                            {screen_ ? screen::Screen::input_fd() : -1, POLLIN, 0}};
            if (poll(fds, std::size(fds), static_cast<int>(std::clamp<long>(wait, 0, 1 << 30))) < 0 && errno != EINTR)
                return fail(errno_error("poll", errno));
            attachment_.collector().consume();
            if (fds[0].revents) handle_signals();
            attachment_.handle_events(fds[2].revents != 0);
            if (!attachment_.over()) handle_peers();
            const Clock::time_point now = Clock::now();
            if (fds[7].revents) handle_keys(fds[7].revents, now);
            if (now >= end) return;
            if (ended_ || attachment_.over()) return;
            if (Result<void> done = work_.do_what_is_due(now); !done) fail(std::move(done).error());
            if (work_.finished()) return;
        }
    }

    // The trace so far is good: it is reported and saved, and the failure told last.
    void fail(Error error) {
        ended_ = true;
        if (!failure_) failure_ = std::move(error);
    }

    // In command mode Ctrl-C is the program's own business, which shares our terminal; a second one ends the trace alone.
    void handle_signals() {
        while (const std::optional<int> signal = signals_->next()) {
            if (*signal == SIGCHLD || (screen_ && screen_->handle_signal(*signal))) continue;
            if (attachment_.runs_command() && (*signal == SIGINT || *signal == SIGQUIT) && !std::exchange(interrupted_, true)) continue;
            ended_ = true;
        }
    }

    [[nodiscard]] bool needs_blocks() const { return !options_.output.empty() || options_.view.needs_blocks() || options_.leaks; }

    void handle_keys(short events, Clock::time_point now) {
        const TraceScreen::Wishes wishes = screen_->handle_input(events);
        if (wishes.end) ended_ = true;
        if (wishes.interval) work_.show_later(now);
        if (wishes.refresh) work_.show_soon(now);
    }

    // Nothing is traced any more; the last state stays until somebody has seen it. Then the terminal is a normal one again.
    void close_screen(const std::shared_ptr<const Snapshot>& last) {
        if (!screen_) return;
        if (attachment_.over() && !ended_) {
            screen_->screen().model().take(last);
            screen_->screen().model().end(attachment_.over());
            screen_->screen().paint();
        }
        while (attachment_.over() && !ended_) {
            constexpr int keep_up_ms = 50;
            pollfd fds[] = {{signals_->fd(), POLLIN, 0}, {screen::Screen::input_fd(), POLLIN, 0}};
            if (poll(fds, std::size(fds), keep_up_ms) < 0 && errno != EINTR) break;
            if (fds[0].revents) handle_signals();
            if (fds[1].revents) handle_keys(fds[1].revents, Clock::now());
            if (!screen_->screen().keep_up()) break;
        }
        work_.show_on(nullptr);
        screen_.reset();
    }

    Result<int> finish() {
        const Result<void> restored = attachment_.finish();
        if (!failure_) failure_ = work_.failure();
        const auto kept = std::make_shared<const Snapshot>(attachment_.collector().snapshot(needs_blocks() ? Detail::blocks : Detail::counters));
        const Snapshot& last = *kept;
        const Result<void> written = options_.output.empty() ? Result<void>() : write_snapshot(last, options_.output);
        close_screen(kept);
        if (Result<void> done = work_.report(last, attachment_.over()); !done) fail(std::move(done).error());
        if (!written) fail(written.error());
        const ExitGates gates(options_, last, service_->checkpoints());
        if (Result<void> done = gates.report(attachment_.exit_status()); !done) fail(std::move(done).error());
        if (!restored) fail(restored.error());
        if (const std::string summary = attachment_.summary(); !summary.empty()) std::fprintf(stderr, "memtrace-bpf: %s\n", summary.c_str());
        if (failure_) return *failure_;
        return gates.exit_status(attachment_.exit_status());
    }

    const TraceOptions& options_;
    const std::function<bool()> ready_;  ///< Told when allocations are counted; false: nobody wants them any more.
    std::optional<Signals> signals_;
    // Peers that wait for the end see it when all else is done.
    std::optional<control::Listener> listener_;
    std::unique_ptr<control::Server> server_;
    Attachment attachment_;
    std::optional<control::Service> service_;
    PeriodicWork work_;
    std::unique_ptr<TraceScreen> screen_;  ///< Null: the display is plain text.
    std::vector<int> linked_;
    bool ended_ = false;
    bool interrupted_ = false;
    std::optional<Error> failure_;  ///< Told at the end, by a message and the exit status.
};

}  // namespace

Result<int> trace(const TraceOptions& options, std::function<bool()> ready) { return Tracer(options, std::move(ready)).run(); }

Result<int> trace(const TraceOptions& options) {
    return trace(options, [] { return true; });
}

}  // namespace memtrace::cli
