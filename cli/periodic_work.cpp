#include "periodic_work.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "format/pprof.hpp"
#include "leaks_view.hpp"
#include "marks_view.hpp"
#include "messages.hpp"
#include "snapshot_name.hpp"
#include "top_view.hpp"

namespace memtrace::cli {
namespace {

// How often the redirected pointers are looked at: a dozen words.
constexpr auto table_check = std::chrono::milliseconds(50);
constexpr auto guard_interval = std::chrono::seconds(1);
constexpr auto complaint_interval = std::chrono::minutes(1);
// Of single blocks in one go: some 100 KB of text. And the text that may wait for its reader before blocks are left in the kernel's ring.
constexpr std::size_t calls_at_once = 1024;
constexpr std::size_t room_for_calls = 1 << 20;

PeriodicWork::Clock::duration seconds(double s) {
    return std::chrono::duration_cast<PeriodicWork::Clock::duration>(std::chrono::duration<double>(s));
}

}  // namespace

PeriodicWork::PeriodicWork(const TraceOptions& options, Attachment& attachment, std::FILE* out)
    : options_(options),
      attachment_(attachment),
      out_(out),
      display_(out, options.leaks && options.leaks->show_calls ? room_for_calls : 0),
      terminal_(Terminal::of(out, options.view.colour)) {
    if (options.max_overhead) guard_.emplace(*options.max_overhead / 100);
}

void PeriodicWork::begin(Clock::time_point now) {
    if (options_.leaks) {
        sites_.emplace(attachment_.collector(), options_.view);
        if (options_.leaks->show_calls) calls_.emplace(attachment_.session(), *sites_, options_.view);
    }
    next_top_ = options_.log.empty() ? now + (screen_ ? Clock::duration{} : interval()) : Clock::time_point::max();
    next_file_ = options_.snapshot_every_s ? now + seconds(*options_.snapshot_every_s) : Clock::time_point::max();
    next_check_ = now + table_check;
    next_guard_ = guard_ ? now + guard_interval : Clock::time_point::max();
}

PeriodicWork::Clock::time_point PeriodicWork::next_due() const { return std::min({next_top_, next_file_, next_check_, next_guard_}); }

Result<void> PeriodicWork::do_what_is_due(Clock::time_point now) {
    if (Result<void> done = tell_calls(); !done) return done;
    if (now >= next_check_) {
        attachment_.check_tables(now);
        if (screen_ ? !screen_->keep_up() : !display_.write_on()) return output_failure();
        next_check_ = now + table_check;
    }
    if (now >= next_guard_) {
        keep_below_limit();
        next_guard_ = now + guard_interval;
    }
    if (now >= next_file_) {
        write_snapshot_file();
        next_file_ = std::max(next_file_ + seconds(*options_.snapshot_every_s), now);
    }
    if (now >= next_top_) {
        if (Result<void> done = show(); !done) return done;
        next_top_ = std::max(next_top_ + interval(), now);
    }
    return {};
}

// The costliest probes go; the others stay, and so does what was counted.
void PeriodicWork::keep_below_limit() {
    Session& session = attachment_.session();
    const std::optional<TooCostly> found = guard_->observe(session.traced_for(), session.spent_ns());
    if (!found) return;
    const ProbeGroup group = probe_groups[found->group];
    const std::string note = dropped_note(group, *found, *options_.max_overhead, std::chrono::system_clock::now());
    session.add_note(note);
    std::fprintf(stderr, "memtrace-bpf: %s\n", note.c_str());
    if (Result<void> done = session.drop(group); !done) warn(done.error());
}

void PeriodicWork::write_snapshot_file() {
    const int pid = attachment_.session().target().pid();
    const std::string path = snapshot_name(options_.snapshot_template, pid, ++written_, std::chrono::system_clock::now());
    if (Result<void> done = write_snapshot(attachment_.collector().snapshot(Detail::blocks), path); !done) return complain(done.error());
    failed_since_ = 0;
    if (options_.snapshot_keep) remove_oldest(path);
}

// A full disk is told of once a minute, not with every file. Tracing goes on.
void PeriodicWork::complain(const Error& error) {
    if (!failure_) failure_ = Error{"not all periodic snapshots could be written"};
    const Clock::time_point now = Clock::now();
    if (complained_ && now - *complained_ < complaint_interval) {
        ++failed_since_;
        return;
    }
    const std::string others = failed_since_ ? " (and " + std::to_string(failed_since_) + " before it)" : "";
    warn(Error{error.what + others + "; tracing goes on"});
    complained_ = now;
    failed_since_ = 0;
}

// Only what this trace has written itself; a template without $counter or $timestamp writes one name again and again.
void PeriodicWork::remove_oldest(const std::string& written) {
    std::erase(files_, written);
    files_.push_back(written);
    for (; files_.size() > options_.snapshot_keep; files_.pop_front()) {
        struct stat status {};
        if (lstat(files_.front().c_str(), &status) == 0 && S_ISREG(status.st_mode)) unlink(files_.front().c_str());
    }
}

Error PeriodicWork::output_failure() const { return Error{out_ == stdout ? "cannot write to standard output" : "cannot write to standard error"}; }

void PeriodicWork::show_on(screen::Screen* screen) {
    screen_ = screen;
    terminal_ = Terminal::of(out_, options_.view.colour);  // its size may have changed
}

void PeriodicWork::show_later(Clock::time_point now) { next_top_ = now + interval(); }

// The first two displays of a screen come soon: nobody wants to look at an empty one.
PeriodicWork::Clock::duration PeriodicWork::interval() const {
    if (!screen_) return seconds(options_.interval_s);
    const Clock::duration asked = seconds(screen_->model().state().interval_s);
    return shown_ > 1 ? asked : std::min<Clock::duration>(asked, std::chrono::seconds(1));
}

void PeriodicWork::show_on_screen() {
    if (screen_->model().frozen()) return;
    auto now = std::make_shared<const Snapshot>(
        attachment_.collector().snapshot(screen_->model().needs_blocks() ? Detail::blocks : Detail::counters));
    ++shown_;
    if (options_.compare_first && !before_) before_ = *now;
    screen_->model().take(std::move(now));
    screen_->paint();
}

// Nothing is taken while the reader has not read what there was: it waits in the kernel's ring, and what that cannot hold is counted.
Result<void> PeriodicWork::tell_calls() {
    if (!calls_) return {};
    if (!display_.write_on()) return output_failure();
    if (display_.waits()) return {};
    const std::string text = calls_->take(calls_at_once);
    return text.empty() || display_.show(text) ? Result<void>() : output_failure();
}

std::string PeriodicWork::leaks(const Snapshot& now, bool at_end) {
    ViewOptions view = options_.view;
    // What a program has not freed at its end has leaked, however young it is.
    if (at_end && !options_.leaks->age_given) view.blocks.older = {};
    view.histograms = options_.leaks->histogram;
    LeaksText text{*options_.leaks, view};
    Outstanding blocks;
    if (options_.leaks->show_blocks) {
        blocks = attachment_.collector().outstanding(view.blocks, most_listed_blocks, [this](std::uint32_t site) { return sites_->of(site).passes; });
        text.blocks = &blocks;
        text.names = &*sites_;
    }
    return render_leaks(now, before_, text, terminal_);
}

Result<void> PeriodicWork::show() {
    if (screen_) {
        show_on_screen();
        return {};
    }
    Snapshot now = attachment_.collector().snapshot(options_.view.needs_blocks() || options_.leaks ? Detail::blocks : Detail::counters);
    std::string text = terminal_.is_terminal && !options_.leaks ? "\033[H\033[2J" : "";
    text += options_.leaks ? leaks(now, false) : render_top(now, before_, {options_.rows, options_.interval_s, options_.view}, terminal_);
    if (!terminal_.is_terminal || options_.leaks) text += '\n';
    if (!before_ || !options_.compare_first) before_ = std::move(now);
    finished_ = options_.leaks && options_.leaks->count == ++shown_;
    return display_.show(text) ? Result<void>() : output_failure();
}

Result<void> PeriodicWork::report(const Snapshot& last, const char* reason) {
    if (!options_.log.empty()) return {};
    if (!options_.compare_first && !options_.leaks) before_.reset();
    std::fputs(display_.take_rest().c_str(), out_);
    if (options_.leaks) {
        if (calls_) std::fputs(calls_->take(SIZE_MAX).c_str(), out_);
        if (reason) std::fprintf(out_, "Final report: %s\n", reason);
        if (!finished_) std::fputs(leaks(last, reason != nullptr).c_str(), out_);
        if (display_.left_out() > 0) std::fprintf(out_, "%u reports were left out: nobody read those before them\n", display_.left_out());
        return std::fflush(out_) == 0 ? Result<void>() : output_failure();
    }
    std::fprintf(out_, "%sFinal report%s%s\n", terminal_.is_terminal ? "\n" : "", reason ? ": " : "", reason ? reason : "");
    std::fputs(render_top(last, before_, {options_.rows, options_.interval_s, options_.view}, terminal_).c_str(), out_);
    std::fputs(render_marks(last, options_.rows).c_str(), out_);
    if (display_.left_out() > 0) std::fprintf(out_, "%u displays were left out: nobody read those before them\n", display_.left_out());
    if (std::fflush(out_) != 0) return output_failure();
    return {};
}

}  // namespace memtrace::cli
