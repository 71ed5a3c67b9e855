// `top FILE` and `top --replay FILE...`: saved snapshots in the display of a trace, no root needed.
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>

#include "commands.hpp"
#include "format/pprof.hpp"
#include "screen/screen.hpp"
#include "signals.hpp"
#include "top_view.hpp"
#include "trace_actions.hpp"

namespace memtrace::cli {
namespace {

using Clock = std::chrono::steady_clock;
using SnapshotPointer = std::shared_ptr<const Snapshot>;
using What = screen::Action::What;

Result<SnapshotPointer> read(const std::string& file) {
    Result<Snapshot> snapshot = read_snapshot(file);
    if (!snapshot) return std::move(snapshot).error();
    if (snapshot->processes.empty()) return Error{file + ": the snapshot is of no process"};
    return std::make_shared<const Snapshot>(*std::move(snapshot));
}

// One after another; what is behind is not read before it is shown.
class Replay {
public:
    explicit Replay(const TopCommandOptions& options) : options_(options) {}

    Result<int> run() {
        Result<SnapshotPointer> first = read(options_.files.front());
        if (!first) return std::move(first).error();
        Result<Signals> signals = Signals::block();
        if (!signals) return std::move(signals).error();
        const auto source = std::make_shared<SourceLines>();
        const auto read_source = [source](const Process*, std::string_view file, std::uint32_t line, unsigned around) {
            return source->around(file, line, around);
        };
        screen::Setup setup{options_.view, options_.interval_s, options_.compare_first, true, read_source, "snapshot.pb.gz"};
        Result<std::unique_ptr<screen::Screen>> screen = screen::Screen::open(std::move(setup), options_.view.colour);
        if (!screen) return print();
        signals->add({SIGWINCH, SIGTSTP});
        screen_ = *std::move(screen);
        show(*std::move(first), nullptr);
        while (!ended_) step(*signals);
        return 0;
    }

    Result<int> print() {
        std::optional<Snapshot> before;
        const Terminal terminal = Terminal::of(stdout, options_.view.colour);
        for (std::size_t i = 0; i < options_.files.size(); ++i) {
            Result<SnapshotPointer> now = read(options_.files[i]);
            if (!now) return std::move(now).error();
            if (i) std::fputs("\n", stdout);
            std::fputs(render_top(**now, before, {options_.rows, options_.interval_s, options_.view}, terminal).c_str(), stdout);
            if (!before || !options_.compare_first) before = **now;
        }
        return 0;
    }

private:
    void show(SnapshotPointer now, SnapshotPointer before) {
        const std::string number = options_.files.size() > 1 ? std::to_string(at_ + 1) + "/" + std::to_string(options_.files.size()) + " " : "";
        screen_->model().take(std::move(now), std::move(before), number + options_.files[at_]);
        screen_->paint();
        next_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(screen_->model().state().interval_s));
    }

    // A file that cannot be read is told, and passed over by the next step.
    void go_to(std::size_t index) {
        if (index >= options_.files.size()) return;
        at_ = index;
        Result<SnapshotPointer> now = read(options_.files[index]);
        Result<SnapshotPointer> before = index ? read(options_.files[index - 1]) : Result<SnapshotPointer>(SnapshotPointer());
        if (now && before) return show(*std::move(now), *std::move(before));
        const Error& error = now ? before.error() : now.error();
        screen_->model().say(error.what, true);
        next_ = Clock::now() + std::chrono::seconds(1);
        screen_->paint();
    }

    [[nodiscard]] bool runs() const { return options_.replay && at_ + 1 < options_.files.size() && !screen_->model().frozen(); }

    void step(Signals& signals) {
        constexpr int keep_up_ms = 50;
        pollfd fds[] = {{signals.fd(), POLLIN, 0}, {screen::Screen::input_fd(), POLLIN, 0}};
        poll(fds, std::size(fds), keep_up_ms);
        while (const std::optional<int> signal = signals.next()) {
            if (*signal == SIGWINCH)
                screen_->resize();
            else if (*signal == SIGTSTP)
                screen_->suspend();
            else if (*signal != SIGCHLD)
                ended_ = true;
        }
        if (fds[1].revents & (POLLHUP | POLLERR | POLLNVAL)) ended_ = true;
        if (fds[1].revents & POLLIN) handle_keys();
        if (!screen_->keep_up()) ended_ = true;
        if (!ended_ && runs() && Clock::now() >= next_) go_to(at_ + 1);
    }

    void handle_keys() {
        for (screen::Action action = screen_->next_action(); action.what != What::none; action = screen_->next_action()) {
            switch (action.what) {
                case What::quit:
                case What::interrupt: ended_ = true; return;
                case What::earlier:
                    if (at_ > 0) go_to(at_ - 1);
                    break;
                case What::later: go_to(at_ + 1); break;
                case What::write:
                case What::replace:
                    if (Result<void> done = write_from_screen(*screen_->model().now(), action.text, action.what == What::replace, *screen_); !done)
                        screen_->model().say(done.error().what, true);
                    break;
                default: break;
            }
        }
        screen_->paint();
    }

    const TopCommandOptions& options_;
    std::unique_ptr<screen::Screen> screen_;
    std::size_t at_ = 0;
    bool ended_ = false;
    Clock::time_point next_{};
};

}  // namespace

Result<int> top(const TopCommandOptions& options) {
    Replay replay(options);
    return options.plain || !screen::Screen::is_possible() ? replay.print() : replay.run();
}

}  // namespace memtrace::cli
