#include "trace_actions.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/json.hpp"
#include "format/pprof.hpp"
#include "format/text.hpp"
#include "row_text.hpp"

namespace memtrace::cli {
namespace {

using control::Do;
using screen::Action;
using screen::Screen;

std::string clock_time(std::chrono::sys_time<std::chrono::nanoseconds> time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::system_clock::duration>(time));
    std::tm local{};
    localtime_r(&seconds, &local);
    return fmt::format("{:%H:%M:%S}", local);
}

}  // namespace

Result<void> write_from_screen(const Snapshot& snapshot, const std::string& path, bool replace, Screen& screen) {
    struct stat status {};
    if (!replace && lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
        screen.model().ask_to_replace(path);
        return {};
    }
    if (Result<void> done = write_snapshot(snapshot, path); !done) return done;
    screen.model().say("wrote " + path);
    return {};
}

// As root asks, or whoever runs the tracer.
Result<control::Answer> TraceActions::ask(const control::Request& request) {
    control::Answer answer = service_.answer({geteuid(), getpid()}, control::print_request(request));
    const Result<control::Json> json = control::parse_object(answer.line);
    if (!json) return json.error();
    const Result<bool> done = control::bool_member(*json, "ok", false);
    if (done && *done) return answer;
    return Error{control::text_of(*json, "error"), control::text_of(*json, "hint")};
}

Result<void> TraceActions::mark(const std::string& name, Screen& screen) {
    control::Request request{.what = Do::checkpoint};
    request.name = name;
    const Result<control::Answer> answer = ask(request);
    if (!answer) return answer.error();
    const Result<control::Json> json = control::parse_object(answer->line);
    screen.model().say(fmt::format("checkpoint {}: {} in {} blocks", control::text_of(*json, "name"), format_size(control::count_of(*json, "memory")),
                                   grouped(control::count_of(*json, "blocks"))));
    return {};
}

Result<void> TraceActions::list(Screen& screen) {
    std::vector<screen::CheckpointLine> lines;
    for (const control::Checkpoint& checkpoint : service_.checkpoints()) {
        screen::CheckpointLine line{checkpoint.name, clock_time(checkpoint.time)};
        for (const control::ProcessTotals& totals : checkpoint.processes) {
            if (!totals.counts) continue;
            line.bytes += totals.bytes;
            line.blocks += totals.blocks;
        }
        lines.push_back(std::move(line));
    }
    screen.model().show_checkpoints(std::move(lines));
    return {};
}

Result<void> TraceActions::compare(Screen& screen) {
    const std::string name = screen.model().selected_checkpoint();
    control::Request request{.what = Do::snapshot};
    request.checkpoint = name;
    const Result<control::Answer> answer = ask(request);
    if (!answer) return answer.error();
    Result<Snapshot> snapshot = decode_snapshot(answer->bytes);
    if (!snapshot) return std::move(snapshot).error();
    screen.model().compare_with(std::make_shared<const Snapshot>(*std::move(snapshot)), name);
    return {};
}

Result<void> TraceActions::write(const std::string& path, bool replace, Screen& screen) {
    if (screen.model().over()) return write_from_screen(*screen.model().now(), path, replace, screen);
    return write_from_screen(collector_.snapshot(Detail::blocks), path, replace, screen);
}

Result<void> TraceActions::change(Do what, const char* done, Screen& screen) {
    const Result<control::Answer> answer = ask({.what = what});
    if (!answer) return answer.error();
    screen.model().say(done);
    return {};
}

void TraceActions::run(const Action& action, Screen& screen) {
    using What = Action::What;
    Result<void> done;
    switch (action.what) {
        case What::mark: done = mark(action.text, screen); break;
        case What::list_checkpoints: done = list(screen); break;
        case What::compare: done = compare(screen); break;
        case What::write:
        case What::replace: done = write(action.text, action.what == What::replace, screen); break;
        case What::reset_peak: done = change(Do::reset_peak, "the peak is what is held now", screen); break;
        case What::clear: done = change(Do::clear, "all blocks are forgotten: what is allocated from now on counts", screen); break;
        default: return;
    }
    if (!done) screen.model().say(done.error().what + (done.error().hint.empty() ? "" : ": " + done.error().hint), true);
}

}  // namespace memtrace::cli
