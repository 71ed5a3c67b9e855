#include "loader/session.hpp"

#include <algorithm>
#include <fstream>
#include <thread>

#include "loader/usage.hpp"
#include "process/info.hpp"
#include "process/stopped_threads.hpp"
#include "process/thread_list.hpp"

namespace memtrace {
namespace {

// One more would make keys that look like MT_KEY_BUSY.
constexpr std::uint32_t most_slots = 0xffff;
// A parent's blocks and sites are there once more for each child: room for a few of them.
constexpr std::uint32_t room_for_copies = 4;

std::uint64_t available_memory_bytes() {
    std::ifstream file("/proc/meminfo");
    std::string key, unit;
    std::uint64_t kib = 0;
    while (file >> key >> kib) {
        if (key == "MemAvailable:") return kib * 1024;
        std::getline(file, unit);
    }
    return 1ULL << 30;
}

Capacities with_more_sites(Capacities capacities) {
    capacities.sites *= room_for_copies;
    return capacities;
}

// What a busy disk or a vfork usually takes, and nobody waits for longer.
constexpr auto hold_limit = std::chrono::milliseconds(500);

std::shared_ptr<void> stop_threads(int pid) {
    Result<StoppedThreads> stopped = StoppedThreads::stop(pid);
    return stopped ? std::make_shared<StoppedThreads>(*std::move(stopped)) : nullptr;
}

}  // namespace

Result<Session> Session::open(Target target, const Calibration& calibration, const SessionOptions& options) {
    Result<ProcessInfo> info = read_process(target.pid());
    if (!info) return std::move(info).error();
    const std::uint64_t available = available_memory_bytes();
    Capacities capacities = default_capacities(info->rss_bytes * (options.follow ? std::uint64_t{room_for_copies} : 1), available, options.frames);
    if (options.follow && table_bytes(with_more_sites(capacities)) < available / 8) capacities = with_more_sites(capacities);
    capacities.threads_apart = options.threads;
    capacities.tells_calls = options.calls;
    capacities.live_blocks = options.live_blocks.value_or(capacities.live_blocks);
    capacities.sites = options.sites.value_or(capacities.sites);
    // The kernel would try, and end other processes on the way.
    if (const std::uint64_t wanted = table_bytes(capacities); wanted > available / 2)
        return Error{"tables for " + std::to_string(capacities.live_blocks) + " live blocks and " + std::to_string(capacities.sites) +
                         " sites need " + std::to_string(wanted >> 20) + " MiB of kernel memory; " + std::to_string(available >> 20) +
                         " MiB are available",
                     "ask for less than half of that with --live-blocks (32 bytes each), --sites and --frames"};
    Result<KernelSide> kernel = KernelSide::load(capacities, calibration.method, options.follow);
    if (!kernel) return std::move(kernel).error();
    if (Result<void> done = kernel->watch(); !done) return std::move(done).error();
    if (options.marks.size() > MT_MAX_MARKS) return Error{"more than " + std::to_string(MT_MAX_MARKS) + " functions to mark"};
    const int pid = target.pid();
    Session session(std::unique_ptr<TraceContext>(new TraceContext{calibration, options.redirect, options.allocator_prefixes,
                                                                   options.hold ? options.hold : stop_threads, *std::move(kernel)}),
                    std::move(target));
    // Before the first look at what is mapped: nothing comes unseen between the two.
    if (Result<CodeNotice> notice = CodeNotice::open())
        session.notice_.emplace(*std::move(notice));
    else
        session.add_note("the kernel does not tell of libraries that are loaded while they are traced (" + notice.error().what +
                         "): they are looked for once a second");
    session.context_->marks = options.marks;
    session.context_->marks_found.resize(options.marks.size());
    if (Result<void> done = session.kernel().follow(pid, 0); !done) return std::move(done).error();
    return session;
}

Session::Session(std::unique_ptr<TraceContext> context, Target target) : context_(std::move(context)) {
    for (std::uint32_t index = kernel().most_processes(); index-- > 1;) free_indexes_.push_back(index);
    processes_.push_back(std::make_unique<TracedProcess>(std::move(target), *context_, 0, *new_slot()));
}

Session::~Session() {
    if (context_ && !processes_.empty()) (void)stop();
}

// Numbers are used once: what is left of an ended process anywhere can never be taken for another one's.
std::optional<std::uint16_t> Session::new_slot() {
    if (next_slot_ >= most_slots) return std::nullopt;
    ended_slots_.push_back(false);
    return static_cast<std::uint16_t>(next_slot_++);
}

Result<TracedProcess*> Session::adopt(Target target) {
    const int pid = target.pid();
    if (free_indexes_.empty())
        return Error{"pid " + std::to_string(pid) + " is not traced: " + std::to_string(kernel().most_processes()) + " processes are already"};
    const std::optional<std::uint16_t> slot = new_slot();
    if (!slot) return Error{"pid " + std::to_string(pid) + " is not traced: there were " + std::to_string(most_slots) + " processes before it"};
    const std::uint32_t index = free_indexes_.back();
    if (Result<void> done = kernel().follow(pid, index); !done) return std::move(done).error();
    free_indexes_.pop_back();
    processes_.push_back(std::make_unique<TracedProcess>(std::move(target), *context_, index, *slot));
    return processes_.back().get();
}

Result<TracedProcess*> Session::add(int pid) {
    Result<Target> target = Target::open(pid);
    if (!target) return std::move(target).error();
    return adopt(*std::move(target));
}

Result<TracedProcess*> Session::add_child(TracedProcess& parent, int tid, int child) {
    const std::optional<mt_fork> known = kernel().take_fork(tid);
    Result<TracedProcess*> added = add(child);
    if (added) (*added)->become_copy_of(parent);
    Result<void> copied;
    if (added) {
        // A fork the kernel side did not see (in a foreign pid namespace): what other threads changed since is not told apart.
        const mt_fork fork = known.value_or(mt_fork{UINT64_MAX, parent.index(), parent.slot()});
        copied = kernel().inherit(fork, (*added)->index());
    }
    if (known && known->slot == parent.slot()) __atomic_fetch_sub(&parent.kernel().forking, 1, __ATOMIC_RELAXED);
    if (!copied) (*added)->add_note("pid " + std::to_string(child) + ": blocks older than its fork are missing: " + copied.error().what);
    return added;
}

void Session::forget_fork(int tid) {
    const std::optional<mt_fork> fork = kernel().take_fork(tid);
    if (!fork || fork->process >= kernel().most_processes()) return;
    mt_process& process = kernel().process(fork->process);
    if (process.slot == fork->slot) __atomic_fetch_sub(&process.forking, 1, __ATOMIC_RELAXED);
}

Result<void> Session::image_replaced(TracedProcess& process) {
    const std::optional<std::uint16_t> slot = new_slot();
    if (!slot) return Error{"there were " + std::to_string(most_slots) + " programs before this one"};
    ended_slots_[process.slot()] = true;
    return process.image_replaced(*slot);
}

void Session::end(TracedProcess& process) {
    kernel().unfollow(process.pid());
    ended_slots_[process.slot()] = true;
    process.end();
    keep_code_notes(process);
}

void Session::forget_ended() {
    if (!has_ended()) return;
    kernel().forget_blocks(ended_slots_);
    kernel().forget_code(ended_slots_);
    const std::span<const mt_site> sites = kernel().sites();
    for (std::uint32_t id = 0; id < sites.size(); ++id)
        if (sites[id].key != 0 && sites[id].flags & MT_SITE_READY && ended_slots_[sites[id].slot]) kernel().forget_site(id);
    std::fill(ended_slots_.begin(), ended_slots_.end(), false);
    const auto first_gone = std::stable_partition(processes_.begin() + 1, processes_.end(), [](const auto& process) { return !process->ended(); });
    for (auto gone = first_gone; gone != processes_.end(); ++gone) free_indexes_.push_back((*gone)->index());
    processes_.erase(first_gone, processes_.end());
}

bool Session::has_ended() const { return std::find(ended_slots_.begin(), ended_slots_.end(), true) != ended_slots_.end(); }

TracedProcess* Session::find(int pid) {
    for (const auto& process : processes_)
        if (process->pid() == pid && !process->ended()) return process.get();
    return nullptr;
}

Result<std::shared_ptr<void>> Session::try_to_hold(bool& all_stand) {
    auto all = std::make_shared<std::vector<std::shared_ptr<void>>>();
    std::vector<int> pids;
    for (const auto& process : processes_) {
        if (process->ended() || !process->target().alive()) continue;
        std::shared_ptr<void> held = context_->hold(process->pid());
        if (!held)
            return Error{"the threads of pid " + std::to_string(process->pid()) + " cannot be stopped",
                         "is a debugger attached to it, or does a thread wait in the kernel?"};
        all->push_back(std::move(held));
        pids.push_back(process->pid());
    }
    all_stand = std::all_of(pids.begin(), pids.end(), all_threads_stand);
    return std::shared_ptr<void>(std::move(all));
}

// A thread that waits uninterruptibly is not stopped with the others: it would run on when it wakes. On a busy machine a thread may take long
// to come to its stop.
Result<std::shared_ptr<void>> Session::hold() {
    const auto deadline = std::chrono::steady_clock::now() + hold_limit;
    for (;;) {
        bool all_stand = false;
        Result<std::shared_ptr<void>> held = try_to_hold(all_stand);
        if (held && all_stand) return held;
        const bool late = std::chrono::steady_clock::now() > deadline;
        if (!held && late) return held;
        if (held) held->reset();
        if (late) return Error{"a thread of the program waits uninterruptibly in the kernel, for a device or a child", "try again."};
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

Result<void> Session::while_held(const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    Result<std::shared_ptr<void>> held = hold();
    if (!held) return std::move(held).error();
    work();
    held->reset();
    held_for_ = std::chrono::steady_clock::now() - begin;
    return {};
}

Result<void> Session::clear() {
    return while_held([this] {
        kernel().clear();
        ++clears_;
    });
}

Result<void> Session::reset_peak() {
    return while_held([this] {
        for (std::uint32_t index = 0; index < kernel().most_processes(); ++index) {
            mt_process& record = kernel().process(index);
            memtrace::reset_peak(record.total);
            for (mt_usage& usage : record.domains) memtrace::reset_peak(usage);
        }
    });
}

void Session::start() {
    if (started_ == std::chrono::steady_clock::time_point{}) started_ = std::chrono::steady_clock::now();
    kernel().count(true);
}

Result<void> Session::restore() {
    if (stopped_) return {};
    stopped_ = std::chrono::steady_clock::now();
    kernel().count(false);
    Result<void> outcome;
    for (const auto& process : processes_)
        if (Result<void> done = process->restore_redirects(); !done) outcome = std::move(done);
    return outcome;
}

Result<void> Session::stop() {
    Result<void> outcome = restore();
    for (const auto& process : processes_) process->remove_probes();
    for (Links& own : *context_->calibration.own_probes) context_->remover.remove(std::move(own));
    context_->calibration.own_probes->clear();
    context_->remover.wait();
    return outcome;
}

std::vector<double> Session::spent_ns() const {
    std::vector<double> spent(probe_groups.size(), 0);
    const std::vector<std::uint64_t> hits = kernel().hits(probes().size());
    for (std::size_t i = 0; i < hits.size(); ++i)
        spent[static_cast<std::size_t>(group_of(probes()[i]))] += static_cast<double>(hits[i]) * probes()[i].site.cost_ns;
    return spent;
}

std::vector<std::string> Session::mark_notes() const {
    std::vector<std::string> notes;
    for (const auto& process : processes_)
        for (const std::string& note : process->mark_notes())
            if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
    for (std::uint32_t number = 0; number < context_->marks.size(); ++number) {
        const std::string name = "mark " + context_->marks[number].text + ": ";
        const auto [begun, ended] = kernel().mark_hits(number);
        if (!context_->marks_found[number])
            notes.push_back(name + "no such function was loaded");
        else if (begun > ended)
            notes.push_back(name + std::to_string(begun - ended) +
                            " calls were not seen to end: they go on, or were left by an exception, longjmp or exit");
    }
    return notes;
}

Result<void> Session::drop(ProbeGroup group) {
    context_->dropped.push_back(group);
    Result<void> outcome;
    for (const auto& process : processes_)
        if (Result<void> done = process->drop(group); !done) outcome = std::move(done);
    return outcome;
}

std::chrono::nanoseconds Session::traced_for() const { return stopped_.value_or(std::chrono::steady_clock::now()) - started_; }

}  // namespace memtrace
