// `memtrace-bpf -p PID` and `memtrace-bpf -- COMMAND`: attach, show a top periodically, end with a report.
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "commands.hpp"
#include "format/pprof.hpp"
#include "format/text.hpp"
#include "loader/guard.hpp"
#include "loader/requirements.hpp"
#include "marks_view.hpp"
#include "process/file_keeper.hpp"
#include "process/launched.hpp"
#include "process/stopped_threads.hpp"
#include "reader/follower.hpp"
#include "signals.hpp"
#include "snapshot_name.hpp"
#include "terminal.hpp"
#include "top_view.hpp"

namespace memtrace::cli {
namespace {

using Clock = std::chrono::steady_clock;

// How often the redirected pointers are looked at: a dozen words. Of followed processes only those that have just begun so often.
constexpr auto pointer_check = std::chrono::milliseconds(50);
constexpr auto late_check = std::chrono::seconds(1);
constexpr auto guard_interval = std::chrono::seconds(1);
// From the kernel's news of an exec to the stop that goes with it.
constexpr auto exec_grace = std::chrono::milliseconds(200);

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

class Tracer {
public:
    explicit Tracer(const TraceOptions& options) : options_(options), out_(options.command.empty() ? stdout : stderr), terminal_(Terminal::of(out_)) {
        if (options.max_overhead) guard_.emplace(*options.max_overhead / 100);
    }

    Result<int> run() {
        Result<Signals> signals = Signals::block();
        if (!signals) return std::move(signals).error();
        signals_.emplace(*std::move(signals));
        if (Result<void> done = check_output(options_.output); !done) return std::move(done).error();
        if (Result<void> done = require_all(); !done) return std::move(done).error();
        if (Result<void> done = attach(); !done) return std::move(done).error();
        announce();
        watch();
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
        if (options_.follow) {
            Result<FileKeeper> keeper = FileKeeper::start();
            if (!keeper) return std::move(keeper).error();
            keeper_.emplace(*std::move(keeper));
        }
        Result<Target> target = Target::open(launched_ ? launched_->pid() : options_.pid);
        if (!target) return std::move(target).error();
        SessionOptions wanted{options_.live_blocks, options_.sites, options_.frames, options_.redirect};
        wanted.follow = options_.follow;
        wanted.threads = options_.threads;
        for (const std::string& text : options_.marks)
            if (Result<WantedMark> mark = parse_mark(text)) wanted.marks.push_back(*std::move(mark));
        if (options_.follow)
            wanted.hold = [this](int pid) { return hold(pid); };
        else if (launched_)
            wanted.hold = [this](int pid) { return hold_launched(pid); };
        Result<Session> session = Session::open(*std::move(target), *calibration, wanted);
        if (!session) return std::move(session).error();
        session_.emplace(*std::move(session));
        if (options_.follow) return launched_ ? follow_command() : follow_running();
        if (launched_) {
            collector_.emplace(*session_);
            Result<void> done = load_image();
            if (!done && !launched_->ending()) launched_->cancel();
            return done;
        }
        if (Result<void> done = session_->update(Loading::complete); !done)
            return session_->target().alive() ? std::move(done)
                                              : Error{"pid " + std::to_string(options_.pid) + " ended while probes were being placed"};
        session_->forget_modules();
        collector_.emplace(*session_);
        session_->start();
        return {};
    }

    std::shared_ptr<void> hold(int pid) {
        if (!tree_.hold(pid)) {
            tree_.release(pid);
            return nullptr;
        }
        return {this, [this, pid](void*) { tree_.release(pid); }};
    }

    std::shared_ptr<void> hold_launched(int pid) {
        const std::shared_ptr<void> main_thread(this, [this](void*) { launched_->let_go(); });
        if (!launched_->hold()) return nullptr;
        Result<StoppedThreads> others = StoppedThreads::stop(pid, std::chrono::milliseconds(200), pid);
        if (!others) return nullptr;
        return std::make_shared<std::pair<std::shared_ptr<void>, StoppedThreads>>(main_thread, *std::move(others));
    }

    Result<void> follow_command() {
        command_pid_ = launched_->pid();
        tree_.adopt(launched_->hand_over());
        launched_.reset();
        collector_.emplace(*session_);
        follower_.emplace(tree_, *session_, *collector_);
        session_->start();
        Result<void> done = follower_->load_root();
        if (!done) kill(command_pid_, SIGKILL);
        return done;
    }

    // Whoever is born from here on is brought in by its parent; nothing is counted before all that run are probed.
    Result<void> follow_running() {
        std::vector<std::string> left_out;
        Result<std::vector<int>> members = tree_.seize(options_.pid, left_out);
        if (!members) return std::move(members).error();
        for (const std::string& reason : left_out) session_->add_note("a child is not followed: " + reason);
        if (Result<void> done = session_->update(Loading::complete); !done) return done;
        session_->forget_modules();
        collector_.emplace(*session_);
        follower_.emplace(tree_, *session_, *collector_);
        follower_->add_running({members->begin() + 1, members->end()});
        session_->start();
        return {};
    }

    // The launched program is held after an exec: probe its libraries as they are mapped, then let it go.
    Result<void> load_image() {
        session_->start();
        Result<void> done = launched_->load([this] { return session_->update(Loading::in_progress); });
        if (done && !launched_->ending()) done = session_->update(Loading::complete);
        if (const std::optional<std::uint64_t> word = session_->setup_word(); done && !launched_->ending() && word)
            launched_->set_up(*word, [this] { (void)session_->update(Loading::complete); });
        session_->forget_modules();
        collector_->image_replaced();
        if (done) launched_->resume();
        return done;
    }

    void announce() {
        const Plan& plan = session_->plan();
        const std::string others = session_->processes().size() > 1 ? ", and " + std::to_string(session_->processes().size() - 1) + " below it" : "";
        std::fprintf(stderr, "memtrace-bpf: tracing pid %d with %zu probes, %zu redirected pointers%s\n", session_->target().pid(),
                     plan.probes.size(), plan.redirects.size(), others.c_str());
    }

    // Until the time is up, a signal, the target's end, or its exec of something else.
    void watch() {
        const Clock::time_point begin = Clock::now();
        next_top_ = begin + seconds(options_.interval_s);
        next_file_ = options_.snapshot_every_s ? begin + seconds(*options_.snapshot_every_s) : Clock::time_point::max();
        next_check_ = begin + pointer_check;
        next_guard_ = guard_ ? begin + guard_interval : Clock::time_point::max();
        const Clock::time_point end = options_.duration_s ? begin + seconds(*options_.duration_s) : Clock::time_point::max();
        while (!ended_) {
            const Clock::time_point wake = std::min({next_top_, next_file_, next_check_, next_guard_, end});
            const auto wait = std::chrono::ceil<std::chrono::milliseconds>(wake - Clock::now()).count();
            // A followed process tells of its end by SIGCHLD, as of all else; its pidfd would be readable for ever.
            const int pidfd = follower_ ? -1 : session_->target().pidfd();
            pollfd fds[] = {{signals_->fd(), POLLIN, 0}, {session_->kernel().poll_fd(), POLLIN, 0}, {pidfd, POLLIN, 0}};
            if (poll(fds, std::size(fds), static_cast<int>(std::clamp<long>(wait, 0, 1 << 30))) < 0 && errno != EINTR)
                return fail(errno_error("poll", errno));
            collector_->consume();
            if (fds[0].revents) handle_signals();
            if (follower_) {
                follower_->handle_events();
                if (follower_->all_ended()) end_because(command_pid_ ? "the program and all it made have ended" : "the processes have ended");
            } else if (launched_) {
                handle_program();
            } else if (fds[2].revents) {
                end_because("the process has ended");
            }
            if (!follower_) check_for_exec();
            const Clock::time_point now = Clock::now();
            if (now >= end) return;
            if (!ended_) work_that_is_due(now);
        }
    }

    void work_that_is_due(Clock::time_point now) {
        if (now >= next_check_) {
            // A program may install allocators of its own; an interpreter that is starting does.
            if (follower_)
                check_followed(now);
            else if (session_->tables_changed())
                replan();
            else
                session_->find_new_marks();
            next_check_ = now + pointer_check;
        }
        if (now >= next_guard_) {
            keep_below_limit();
            next_guard_ = now + guard_interval;
        }
        if (now >= next_file_) {
            write_periodic();
            next_file_ = std::max(next_file_ + seconds(*options_.snapshot_every_s), now);
        }
        if (now >= next_top_) {
            if (!show()) fail(Error{output_failure()});
            next_top_ = std::max(next_top_ + seconds(options_.interval_s), now);
        }
    }

    // New programs may come at any time: they are looked at closely, the others now and then.
    void check_followed(Clock::time_point now) {
        const bool all = now >= next_check_of_all_;
        if (all) next_check_of_all_ = now + late_check;
        follower_->check_redirects(all);
        follower_->handle_events();  // threads may have stopped for other reasons while they were held
    }

    // The costliest probes go; the others stay, and so does what was counted.
    void keep_below_limit() {
        const std::optional<TooCostly> found = guard_->observe(session_->traced_for(), session_->spent_ns());
        if (!found) return;
        const ProbeGroup group = probe_groups[found->group];
        const std::string note = dropped_note(group, *found, *options_.max_overhead, std::chrono::system_clock::now());
        session_->add_note(note);
        std::fprintf(stderr, "memtrace-bpf: %s\n", note.c_str());
        if (Result<void> done = session_->drop(group); !done) warn(done.error());
    }

    void replan() {
        if (!std::exchange(replanned_, true))
            session_->add_note(
                "the program has replaced CPython's allocators while it was traced: what it allocated in the tenth of a second after is not seen");
        if (Result<void> done = session_->update(Loading::complete); !done) warn(done.error());
        session_->forget_modules();
    }

    // The launched program's main thread is held by us at an exec; everything else that executes is gone before we know.
    void check_for_exec() {
        if (ended_ || !session_->kernel().process().ended) {
            exec_seen_.reset();
            return;
        }
        if (!launched_) return end_because("the process replaced itself by another program");
        if (!exec_seen_) exec_seen_ = Clock::now();
        if (Clock::now() - *exec_seen_ > exec_grace) end_because("a thread of the program executed another program, which is not traced");
    }

    void end_because(const char* reason) {
        ended_ = true;
        reason_ = reason;
    }

    // The trace so far is good: it is reported and saved, and the failure told last.
    void fail(Error error) {
        ended_ = true;
        if (!failure_) failure_ = std::move(error);
    }

    const char* output_failure() const { return out_ == stdout ? "cannot write to standard output" : "cannot write to standard error"; }

    // In command mode Ctrl-C is the program's own business, which shares our terminal; a second one ends the trace alone.
    void handle_signals() {
        while (const std::optional<int> signal = signals_->next()) {
            if (*signal == SIGCHLD) continue;
            if ((launched_ || command_pid_) && (*signal == SIGINT || *signal == SIGQUIT) && !interrupted_) {
                interrupted_ = true;
                continue;
            }
            ended_ = true;
        }
    }

    void handle_program() {
        const bool replaced = launched_->handle_events();
        if (launched_->ending()) return end_because("the program has ended");
        if (!replaced) return;
        collector_->consume();
        Result<void> done = session_->image_replaced();
        if (done) done = load_image();
        if (done) return;
        // It runs on untraced; we still wait for it, and report what was seen before.
        warn(done.error());
        session_->add_note("after an exec the program could not be traced: " + done.error().what);
        launched_->resume();
    }

    void warn(const Error& error) { std::fprintf(stderr, "memtrace-bpf: %s\n", error.what.c_str()); }

    void write_periodic() {
        const std::string path = snapshot_name(options_.snapshot_template, session_->target().pid(), ++written_, std::chrono::system_clock::now());
        if (Result<void> done = write_snapshot(collector_->snapshot(Detail::blocks), path); !done) {
            warn(done.error());
            if (!failure_) failure_ = Error{"not all periodic snapshots could be written"};
        }
    }

    bool show() {
        Snapshot now = collector_->snapshot();
        const std::string text = render_top(now, before_, {options_.rows, options_.interval_s, options_.view}, terminal_);
        if (terminal_.is_terminal) std::fputs("\033[H\033[2J", out_);
        std::fputs(text.c_str(), out_);
        if (!terminal_.is_terminal) std::fputc('\n', out_);
        before_ = std::move(now);
        return std::fflush(out_) == 0;
    }

    Result<int> finish() {
        const Result<void> restored = follower_ ? follower_->finish() : session_->stop();
        if (launched_ && !launched_->ending()) launched_->release();
        const Snapshot last = collector_->snapshot(options_.output.empty() ? Detail::counters : Detail::blocks);
        before_.reset();
        std::fprintf(out_, "%sFinal report%s%s\n", terminal_.is_terminal ? "\n" : "", reason_ ? ": " : "", reason_ ? reason_ : "");
        std::fputs(render_top(last, before_, {options_.rows, options_.interval_s, options_.view}, terminal_).c_str(), out_);
        std::fputs(render_marks(last, options_.rows).c_str(), out_);
        if (std::fflush(out_) != 0) fail(Error{output_failure()});
        if (!options_.output.empty())
            if (Result<void> done = write_snapshot(last, options_.output); !done) fail(std::move(done).error());
        if (!restored) fail(restored.error());
        if (const std::string summary = follower_ ? follower_->summary() : ""; !summary.empty())
            std::fprintf(stderr, "memtrace-bpf: %s\n", summary.c_str());
        if (failure_) return *failure_;
        if (follower_) return command_pid_ && follower_->ending() ? follower_->ending()->shell_status() : 0;
        return launched_ && launched_->ending() ? launched_->ending()->shell_status() : 0;
    }

    const TraceOptions& options_;
    std::FILE* out_;
    Terminal terminal_;
    std::optional<Signals> signals_;
    std::optional<Launched> launched_;
    std::optional<FileKeeper> keeper_;
    ProcessTree tree_;  ///< Of --follow; outlives the session, which holds threads still by it.
    std::optional<Session> session_;
    std::optional<Collector> collector_;
    std::optional<Follower> follower_;
    int command_pid_ = 0;                 ///< Of the command that is followed.
    std::optional<OverheadGuard> guard_;  ///< With --max-overhead.
    std::optional<Snapshot> before_;
    const char* reason_ = nullptr;
    unsigned written_ = 0;
    bool ended_ = false;
    bool interrupted_ = false;
    bool replanned_ = false;
    std::optional<Error> failure_;  ///< Told at the end, by a message and the exit status.
    std::optional<Clock::time_point> exec_seen_;
    Clock::time_point next_top_{}, next_file_{}, next_check_{}, next_check_of_all_{}, next_guard_{};
};

}  // namespace

Result<int> trace(const TraceOptions& options) { return Tracer(options).run(); }

}  // namespace memtrace::cli
