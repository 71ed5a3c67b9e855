// `memtrace-bpf -p PID` and `memtrace-bpf -- COMMAND`: attach, show a top periodically, end with a report.
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "commands.hpp"
#include "format/pprof.hpp"
#include "format/text.hpp"
#include "loader/requirements.hpp"
#include "process/launched.hpp"
#include "reader/collector.hpp"
#include "snapshot_name.hpp"
#include "terminal.hpp"
#include "top_view.hpp"
#include "util/unique_fd.hpp"

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
    if (!std::filesystem::is_directory(folder.empty() ? "." : folder, code)) return Error{"cannot write " + path + ": " + folder.string() + " is no directory"};
    if (access(folder.empty() ? "." : folder.c_str(), W_OK) != 0) return errno_error("cannot write " + path, errno);
    return {};
}

class Tracer {
public:
    explicit Tracer(const TraceOptions& options) : options_(options), out_(options.command.empty() ? stdout : stderr), terminal_(Terminal::of(out_)) {}

    Result<int> run() {
        sigset_t signals;
        sigemptyset(&signals);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&signals, signal);
        sigprocmask(SIG_BLOCK, &signals, nullptr);
        signals_ = UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
        if (!signals_) return errno_error("waiting for signals", errno);
        if (Result<void> done = check_output(options_.output); !done) return std::move(done).error();
        if (Result<void> done = require_all(); !done) return std::move(done).error();
        if (Result<void> done = attach(); !done) return std::move(done).error();
        announce();
        if (Result<void> done = watch(); !done) return std::move(done).error();
        return finish();
    }

private:
    Result<void> attach() {
        Result<Calibration> calibration = calibrate();
        if (!calibration) return std::move(calibration).error();
        if (!options_.command.empty()) {
            Result<Launched> launched = Launched::start(options_.command);
            if (!launched) return std::move(launched).error();
            launched_.emplace(*std::move(launched));
        }
        Result<Target> target = Target::open(launched_ ? launched_->pid() : options_.pid);
        if (!target) return std::move(target).error();
        Result<Session> session = Session::open(*std::move(target), *calibration, {options_.live_blocks, options_.sites, options_.frames, options_.redirect});
        if (!session) return std::move(session).error();
        session_.emplace(*std::move(session));
        if (launched_) {
            collector_.emplace(*session_);
            return load_image();
        }
        if (Result<void> done = session_->update(Loading::complete); !done)
            return session_->target().alive() ? std::move(done) : Error{"pid " + std::to_string(options_.pid) + " ended while probes were being placed"};
        session_->forget_modules();
        collector_.emplace(*session_);
        session_->start();
        return {};
    }

    // The launched program is held after an exec: probe its libraries as they are mapped, then let it go.
    Result<void> load_image() {
        session_->start();
        if (Result<void> done = launched_->load([this] { return session_->update(Loading::in_progress); }); !done) return done;
        if (!launched_->ending())
            if (Result<void> done = session_->update(Loading::complete); !done) return done;
        session_->forget_modules();
        collector_->image_replaced();
        launched_->resume();
        return {};
    }

    void announce() {
        const Plan& plan = session_->plan();
        std::fprintf(stderr, "memtrace-bpf: tracing pid %d with %zu probes, %zu redirected pointers\n", session_->target().pid(), plan.probes.size(), plan.redirects.size());
    }

    // Until the time is up, a signal, the target's end, or its exec of something else.
    Result<void> watch() {
        const Clock::time_point begin = Clock::now();
        Clock::time_point next_top = begin + seconds(options_.interval_s);
        Clock::time_point next_file = options_.snapshot_every_s ? begin + seconds(*options_.snapshot_every_s) : Clock::time_point::max();
        const Clock::time_point end = options_.duration_s ? begin + seconds(*options_.duration_s) : Clock::time_point::max();
        while (!ended_) {
            const Clock::time_point wake = std::min({next_top, next_file, end});
            const auto wait = std::chrono::ceil<std::chrono::milliseconds>(wake - Clock::now()).count();
            pollfd fds[] = {{signals_.get(), POLLIN, 0}, {session_->kernel().poll_fd(), POLLIN, 0}, {session_->target().pidfd(), POLLIN, 0}};
            if (poll(fds, std::size(fds), static_cast<int>(std::clamp<long>(wait, 0, 1 << 30))) < 0 && errno != EINTR) return errno_error("poll", errno);
            if (collector_->consume() && !launched_) end_because("the process replaced itself by another program");
            if (fds[0].revents) handle_signals();
            if (fds[2].revents && !launched_) end_because("the process has ended");
            if (launched_)
                if (Result<void> done = handle_program(); !done) return done;
            const Clock::time_point now = Clock::now();
            if (now >= end) break;
            if (now >= next_file && !ended_) {
                write_periodic();
                next_file = std::max(next_file + seconds(*options_.snapshot_every_s), now);
            }
            if (now >= next_top && !ended_) {
                if (session_->redirects_changed())
                    if (Result<void> done = session_->update(Loading::complete); !done) warn(done.error());
                if (!show()) return Error{"cannot write to standard output"};
                next_top = std::max(next_top + seconds(options_.interval_s), now);
            }
        }
        return {};
    }

    void end_because(const char* reason) {
        ended_ = true;
        reason_ = reason;
    }

    // In command mode Ctrl-C is the program's own business, which shares our terminal; a second one ends the trace alone.
    void handle_signals() {
        signalfd_siginfo info{};
        while (read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
            if (info.ssi_signo == SIGCHLD) continue;
            if (launched_ && info.ssi_signo == SIGINT && !interrupted_) {
                interrupted_ = true;
                continue;
            }
            ended_ = true;
        }
    }

    Result<void> handle_program() {
        const bool replaced = launched_->handle_events();
        if (launched_->ending()) end_because("the program has ended");
        if (!replaced) return {};
        collector_->consume();
        if (Result<void> done = session_->image_replaced(); !done) return done;
        return load_image();
    }

    void warn(const Error& error) { std::fprintf(stderr, "memtrace-bpf: %s\n", error.what.c_str()); }

    void write_periodic() {
        const std::string path = snapshot_name(options_.snapshot_template, session_->target().pid(), ++written_, std::chrono::system_clock::now());
        if (Result<void> done = write_snapshot(collector_->snapshot(), path); !done) {
            warn(done.error());
            failed_ = true;
        }
    }

    bool show() {
        Snapshot now = collector_->snapshot();
        const std::string text = render_top(now, before_, {options_.rows, options_.interval_s}, terminal_);
        if (terminal_.is_terminal) std::fputs("\033[H\033[2J", out_);
        std::fputs(text.c_str(), out_);
        if (!terminal_.is_terminal) std::fputc('\n', out_);
        before_ = std::move(now);
        return std::fflush(out_) == 0;
    }

    Result<int> finish() {
        const Result<void> restored = session_->stop();
        if (launched_ && !launched_->ending()) launched_->release();
        const Snapshot last = collector_->snapshot();
        before_.reset();
        std::fprintf(out_, "%sFinal report%s%s\n", terminal_.is_terminal ? "\n" : "", reason_ ? ": " : "", reason_ ? reason_ : "");
        std::fputs(render_top(last, before_, {options_.rows, options_.interval_s}, terminal_).c_str(), out_);
        const bool shown = std::fflush(out_) == 0;
        if (!options_.output.empty())
            if (Result<void> done = write_snapshot(last, options_.output); !done) return std::move(done).error();
        if (!restored) return restored.error();
        if (!shown) return Error{"cannot write to standard output"};
        if (failed_) return Error{"not all periodic snapshots could be written"};
        return launched_ && launched_->ending() ? launched_->ending()->shell_status() : 0;
    }

    const TraceOptions& options_;
    std::FILE* out_;
    Terminal terminal_;
    UniqueFd signals_;
    std::optional<Launched> launched_;
    std::optional<Session> session_;
    std::optional<Collector> collector_;
    std::optional<Snapshot> before_;
    const char* reason_ = nullptr;
    unsigned written_ = 0;
    bool ended_ = false;
    bool interrupted_ = false;
    bool failed_ = false;  ///< A periodic snapshot could not be written; said then, told by the exit status.
};

}  // namespace

Result<int> trace(const TraceOptions& options) { return Tracer(options).run(); }

}  // namespace memtrace::cli
