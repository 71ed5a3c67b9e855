#include "attachment.hpp"

#include <poll.h>

#include <csignal>
#include <utility>

#include "messages.hpp"
#include "process/stopped_threads.hpp"

namespace memtrace::cli {
namespace {

// Of followed processes only those that have just begun are looked at each time.
constexpr auto late_check = std::chrono::seconds(1);
constexpr auto hold_limit = std::chrono::milliseconds(200);
constexpr auto debug_file_limit = std::chrono::seconds(10);
// From the kernel's news of an exec to the stop that goes with it.
constexpr auto exec_grace = std::chrono::milliseconds(200);

}  // namespace

Result<void> Attachment::attach() {
    if (options_.debuginfod) {
        Result<Debuginfod> servers = Debuginfod::start();
        if (!servers) return std::move(servers).error();
        debuginfod_.emplace(*std::move(servers));
    }
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
    SessionOptions wanted{options_.live_blocks, options_.sites, options_.frames, options_.redirect, options_.allocator_prefixes};
    wanted.follow = options_.follow;
    wanted.threads = options_.threads;
    wanted.calls = options_.leaks && options_.leaks->show_calls;
    for (const std::string& text : options_.marks)
        if (Result<WantedMark> mark = parse_mark(text)) wanted.marks.push_back(*std::move(mark));
    if (options_.follow || launched_) wanted.hold = [this](int pid) { return hold(pid); };
    Result<Session> session = Session::open(*std::move(target), *calibration, wanted);
    if (!session) return std::move(session).error();
    session_.emplace(*std::move(session));
    if (options_.follow) return launched_ ? follow_command() : follow_running();
    if (!launched_) return attach_running();
    make_collector();
    Result<void> done = load_image();
    if (!done && !launched_->ending()) launched_->cancel();
    return done;
}

Result<void> Attachment::attach_running() {
    if (Result<void> done = session_->update(Loading::complete); !done)
        return session_->target().alive() ? std::move(done) : Error{"pid " + std::to_string(options_.pid) + " ended while probes were being placed"};
    session_->forget_modules();
    make_collector();
    session_->start();
    return {};
}

std::shared_ptr<void> Attachment::hold(int pid) {
    if (launched_) return hold_launched();
    if (!tree_.hold(pid)) {
        tree_.release(pid);
        return nullptr;
    }
    return {this, [this, pid](void*) { tree_.release(pid); }};
}

// Its main thread is our tracee already.
std::shared_ptr<void> Attachment::hold_launched() {
    const std::shared_ptr<void> main_thread(this, [this](void*) { launched_->let_go(); });
    if (!launched_->hold()) return nullptr;
    Result<StoppedThreads> others = StoppedThreads::stop(launched_->pid(), hold_limit, launched_->pid());
    if (!others) return nullptr;
    return std::make_shared<std::pair<std::shared_ptr<void>, StoppedThreads>>(main_thread, *std::move(others));
}

Result<void> Attachment::follow_command() {
    command_pid_ = launched_->pid();
    tree_.adopt(launched_->hand_over());
    launched_.reset();
    make_collector();
    follower_.emplace(tree_, *session_, *collector_);
    session_->start();
    Result<void> done = follower_->load_root();
    if (!done) kill(command_pid_, SIGKILL);
    return done;
}

// Whoever is born from here on is brought in by its parent; nothing is counted before all that run are probed.
Result<void> Attachment::follow_running() {
    std::vector<std::string> left_out;
    Result<std::vector<int>> members = tree_.seize(options_.pid, left_out);
    if (!members) return std::move(members).error();
    for (const std::string& reason : left_out) session_->add_note("a child is not followed: " + reason);
    if (Result<void> done = session_->update(Loading::complete); !done) return done;
    session_->forget_modules();
    make_collector();
    follower_.emplace(tree_, *session_, *collector_);
    follower_->add_running({members->begin() + 1, members->end()});
    session_->start();
    return {};
}

// The launched program is held after an exec: probe its libraries as they are mapped, then let it go.
Result<void> Attachment::load_image() {
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

void Attachment::handle_events(bool target_ended) {
    session_->notice_new_code();
    if (follower_) {
        follower_->handle_events();
        if (follower_->all_ended()) end_because(command_pid_ ? "the program and all it made have ended" : "the processes have ended");
    } else if (launched_) {
        handle_program();
    } else if (target_ended) {
        end_because("the process has ended");
    }
    if (!follower_) check_for_exec();
    follow_new_code();
    if (debuginfod_ && debuginfod_->take()) collector_->debug_files_arrived();
}

// While it is held for an exec a program's libraries are probed as they are mapped; these are the later ones.
void Attachment::follow_new_code() {
    for (const TracedProcess* process : session_->follow_new_code()) collector_->code_changed(*process);
}

void Attachment::handle_program() {
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

// The launched program's main thread is held by us at an exec; everything else that executes is gone before we know.
void Attachment::check_for_exec() {
    if (over_ || !session_->kernel().process().ended) {
        exec_seen_.reset();
        return;
    }
    if (!launched_) return end_because("the process replaced itself by another program");
    if (!exec_seen_) exec_seen_ = Clock::now();
    if (Clock::now() - *exec_seen_ > exec_grace) end_because("a thread of the program executed another program, which is not traced");
}

void Attachment::check_tables(Clock::time_point now) {
    if (!follower_) {
        if (session_->tables_changed()) replan();
        return;
    }
    const bool all = now >= next_check_of_all_;
    if (all) next_check_of_all_ = now + late_check;
    follower_->check_redirects(all);
    follower_->handle_events();  // threads may have stopped for other reasons while they were held
}

void Attachment::replan() {
    if (!std::exchange(replanned_, true))
        session_->add_note(
            "the program has replaced CPython's allocators while it was traced: what it allocated in the tenth of a second after is not seen");
    if (Result<void> done = session_->update(Loading::complete); !done) warn(done.error());
    session_->forget_modules();
}

void Attachment::end_because(const char* reason) {
    if (!over_) over_ = reason;
}

Result<void> Attachment::finish() {
    Result<void> restored = follower_ ? follower_->finish() : session_->stop();
    if (launched_ && !launched_->ending()) launched_->release();
    wait_for_debug_files();
    return restored;
}

// Nobody is held any more: the report alone waits, for what was asked for in the last moments.
void Attachment::wait_for_debug_files() {
    collector_->consume();
    const Clock::time_point deadline = Clock::now() + debug_file_limit;
    while (debuginfod_ && debuginfod_->is_waiting() && Clock::now() < deadline) {
        pollfd answer{debuginfod_->poll_fd(), POLLIN, 0};
        poll(&answer, 1, 100);
        if (debuginfod_->take()) collector_->debug_files_arrived();
    }
}

int Attachment::exit_status() const {
    if (follower_) return command_pid_ && follower_->ending() ? follower_->ending()->shell_status() : 0;
    return launched_ && launched_->ending() ? launched_->ending()->shell_status() : 0;
}

}  // namespace memtrace::cli
