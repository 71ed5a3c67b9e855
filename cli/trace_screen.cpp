#include "trace_screen.hpp"

#include <poll.h>

#include <csignal>
#include <map>

#include "format/source_lines.hpp"
#include "snapshot_name.hpp"

namespace memtrace::cli {
namespace {

// A command shares our terminal and its keys; a log has none, and JSON on standard output is to stand alone.
bool is_wanted(const TraceOptions& options) {
    return !options.plain && options.command.empty() && options.log.empty() && options.summary != "-" && screen::Screen::is_possible();
}

}  // namespace

screen::ReadSource sources_of_processes() {
    constexpr std::size_t most_processes = 64;
    const auto sources = std::make_shared<std::map<int, SourceLines>>();
    return [sources](const Process* process, std::string_view file, std::uint32_t line, unsigned around) {
        const int pid = process ? process->pid : 0;
        if (sources->size() > most_processes) sources->clear();
        const auto known = sources->try_emplace(pid, process ? SourceLines::of_process(pid) : SourceLines()).first;
        return known->second.around(file, line, around);
    };
}

std::unique_ptr<TraceScreen> TraceScreen::open(const TraceOptions& options, Session& session, Collector& collector, control::Service& service,
                                               Signals& signals) {
    if (!is_wanted(options)) return nullptr;
    screen::Setup setup{options.view, options.interval_s, options.compare_first, false, sources_of_processes(), {}};
    setup.file_proposal = snapshot_name("memtrace-$pid-$timestamp.pb.gz", session.target().pid(), 1, std::chrono::system_clock::now());
    Result<std::unique_ptr<screen::Screen>> screen = screen::Screen::open(std::move(setup), options.view.colour);
    if (!screen) return nullptr;
    signals.add({SIGWINCH, SIGTSTP});
    return std::unique_ptr<TraceScreen>(new TraceScreen(options, *std::move(screen), TraceActions(collector, service)));
}

bool TraceScreen::handle_signal(int signal) {
    if (signal == SIGWINCH) {
        screen_->resize();
        return true;
    }
    if (signal != SIGTSTP) return false;
    // Processes that are followed wait for us whenever they make others.
    if (options_.follow && !screen_->model().over()) {
        screen_->model().say("not suspended: the processes that are followed would have to wait", true);
        screen_->paint();
    } else {
        screen_->suspend();
    }
    return true;
}

TraceScreen::Wishes TraceScreen::handle_input(short events) {
    using What = screen::Action::What;
    Wishes wishes;
    // The terminal is gone.
    if (events & (POLLHUP | POLLERR | POLLNVAL)) wishes.end = true;
    if (!(events & POLLIN)) return wishes;
    for (screen::Action action = screen_->next_action(); action.what != What::none; action = screen_->next_action()) {
        switch (action.what) {
            case What::quit:
            case What::interrupt: wishes.end = true; return wishes;
            case What::take: wishes.refresh = true; break;
            case What::interval: wishes.interval = true; break;
            default: actions_.run(action, *screen_);
        }
    }
    screen_->paint();
    return wishes;
}

}  // namespace memtrace::cli
