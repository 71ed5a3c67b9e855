#include "reader/follower.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace memtrace {
namespace {

using Clock = std::chrono::steady_clock;

// Looking through the kernel's tables takes some milliseconds: for several ends at once, but before they fill with what is gone.
constexpr std::size_t most_ended = 8;
constexpr auto longest_ended = std::chrono::seconds(1);
constexpr auto early_phase = std::chrono::seconds(3);
constexpr std::size_t most_reasons = 5;

double milliseconds(std::chrono::nanoseconds time) { return std::chrono::duration<double, std::milli>(time).count(); }

}  // namespace

void Holds::add(std::chrono::nanoseconds time) {
    ++count;
    total += time;
    longest = std::max(longest, time);
}

void Follower::add_running(const std::vector<int>& pids) {
    for (const int pid : pids) {
        Result<TracedProcess*> process = session_.add(pid);
        if (!process) {
            not_traced(pid, process.error());
            continue;
        }
        collector_.added(**process, nullptr);
        if (Result<void> done = (*process)->update(Loading::complete); !done) not_traced(pid, done.error());
        (*process)->forget_modules();
    }
}

Result<void> Follower::load_root() {
    Result<void> done = load(session_.root());
    if (done) tree_.resume(root_);
    return done;
}

Result<void> Follower::load(TracedProcess& process) {
    const Clock::time_point begin = Clock::now();
    Result<void> done = tree_.load(process.pid(), [&] { return process.update(Loading::in_progress); });
    if (done && process.target().alive()) done = process.update(Loading::complete);
    if (const std::optional<std::uint64_t> word = process.setup_word(); done && word)
        tree_.set_up(process.pid(), *word, [&] { (void)process.update(Loading::complete); });
    process.forget_modules();
    collector_.image_replaced(process);
    programs_.add(Clock::now() - begin);
    return done;
}

void Follower::handle_events() {
    while (const std::optional<TreeEvent> event = tree_.next()) {
        switch (event->kind) {
            case TreeEvent::Kind::forked: handle_fork(*event, Birth::goes_on); break;
            case TreeEvent::Kind::executed: handle_exec(*event); break;
            case TreeEvent::Kind::ended: handle_end(*event); break;
        }
    }
    if (ended_since_ >= most_ended || (session_.has_ended() && Clock::now() - taken_over_ > longest_ended)) {
        collector_.forget_ended();
        ended_since_ = 0;
        taken_over_ = Clock::now();
    }
}

void Follower::handle_fork(const TreeEvent& event, Birth birth) {
    const Clock::time_point begin = Clock::now();
    TracedProcess* parent = session_.find(event.parent);
    Result<TracedProcess*> child = parent ? session_.add_child(*parent, event.thread, event.pid) : session_.add(event.pid);
    if (!parent && event.thread) session_.forget_fork(event.thread);
    if (child) collector_.added(**child, parent);
    if (birth == Birth::stays_held) return;
    tree_.resume(event.thread);
    parents_.add(Clock::now() - begin);
    if (child) {
        Result<void> done = parent ? (*child)->attach_planned() : (*child)->update(Loading::complete);
        // Its parent has other code mapped than when it was planned for, or its pointers were not yet turned.
        if (!done || (*child)->tables_changed()) done = (*child)->update(Loading::complete);
        if (!done) not_traced(event.pid, done.error());
        (*child)->forget_modules();
    } else {
        not_traced(event.pid, child.error());
    }
    tree_.resume(event.pid);
    children_.add(Clock::now() - begin);
}

void Follower::handle_exec(const TreeEvent& event) {
    collector_.consume();
    TracedProcess* process = session_.find(event.pid);
    Result<void> done;
    if (process) {
        done = session_.image_replaced(*process);
        collector_.image_replaced(*process);
    } else {
        // It had its parent's memory until now.
        Result<TracedProcess*> added = session_.add(event.pid);
        if (added)
            collector_.added(*(process = *added), nullptr);
        else
            done = added.error();
    }
    if (done && process) done = load(*process);
    if (!done) not_traced(event.pid, done.error());
    tree_.resume(event.pid);
}

void Follower::handle_end(const TreeEvent& event) {
    if (event.pid == root_ && !ending_) ending_ = event.ending;
    TracedProcess* process = session_.find(event.pid);
    if (!process) return;
    collector_.ended(*process);
    session_.end(*process);
    ++ended_since_;
}

// What has ended meanwhile is no failure. Each reason once: a program that is not traced may be executed a thousand times.
void Follower::not_traced(int pid, const Error& error) {
    if (const TracedProcess* process = session_.find(pid); process && !process->target().alive()) return;
    const std::string reason = error.what.substr(0, error.what.find("pid ")) + error.hint;
    if (std::find(untraced_.begin(), untraced_.end(), reason) != untraced_.end() || untraced_.size() == most_reasons) return;
    untraced_.push_back(reason);
    session_.add_note(
        fmt::format("a followed process is not traced (pid {}): {}{}", pid, error.what, error.hint.empty() ? "" : " (" + error.hint + ")"));
}

void Follower::check_redirects(bool all) {
    for (const std::unique_ptr<TracedProcess>& process : session_.processes()) {
        if (process->ended() || (!all && Clock::now() - process->since() > early_phase)) continue;
        if (!process->tables_changed()) continue;
        (void)process->update(Loading::complete);  // tried again soon; a process that ends just now is the usual reason
        process->forget_modules();
    }
}

// While all stand still no child is born: who was born just before has its parent's pointers and gives them back, too.
Result<void> Follower::finish() {
    tree_.hold(0, std::chrono::seconds(1));
    while (const std::optional<TreeEvent> event = tree_.next_while_held()) {
        if (event->kind == TreeEvent::Kind::forked) handle_fork(*event, Birth::stays_held);
        if (event->kind == TreeEvent::Kind::ended) handle_end(*event);
        if (TracedProcess* process = event->kind == TreeEvent::Kind::executed ? session_.find(event->pid) : nullptr) {
            collector_.ended(*process);
            session_.end(*process);
        }
    }
    Result<void> restored = session_.restore();
    tree_.detach_all();
    Result<void> stopped = session_.stop();
    return restored ? std::move(stopped) : std::move(restored);
}

std::string Follower::summary() const {
    if (parents_.count + programs_.count <= 1) return {};
    const auto mean = [](const Holds& holds) { return holds.count ? milliseconds(holds.total) / static_cast<double>(holds.count) : 0.0; };
    return fmt::format(
        "{} forks followed (held on average: the forking thread {:.1f} ms, the child {:.1f} ms; longest {:.1f} and {:.1f} ms), "
        "{} programs loaded ({:.0f} ms; longest {:.0f} ms)",
        parents_.count, mean(parents_), mean(children_), milliseconds(parents_.longest), milliseconds(children_.longest), programs_.count,
        mean(programs_), milliseconds(programs_.longest));
}

}  // namespace memtrace
