// One trace, from the first look at a process to the last pointer put back: of one process, or of it and those it makes.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loader/traced_process.hpp"
#include "process/target.hpp"
#include "python/plan.hpp"
#include "util/result.hpp"

namespace memtrace {

struct SessionOptions {
    std::optional<std::uint64_t> live_blocks;  ///< Default: default_capacities().
    std::optional<std::uint32_t> sites;
    std::uint32_t frames = 1;
    bool redirect = true;
    std::vector<std::string> allocator_prefixes;
    bool follow = false;            ///< With room for more than one process, and what copying a fork's blocks needs.
    bool threads = false;           ///< Sites of different threads are kept apart.
    bool calls = false;             ///< Each block is told: KernelSide::take_calls().
    HoldThreads hold;               ///< Default: StoppedThreads.
    std::vector<WantedMark> marks;  ///< At most MT_MAX_MARKS.
};

/// Move-only. Destroying it undoes everything in reverse: redirected pointers first, then probes, then maps.
class Session {
public:
    /// Loads the kernel side; the target is not touched yet.
    static Result<Session> open(Target target, const Calibration& calibration, const SessionOptions& options);
    Session(Session&&) noexcept = default;
    Session& operator=(Session&&) = delete;
    ~Session();

    /// Plans for what the process maps now and adds the probes and redirects that are not there yet. A running target is held
    /// still while its pointers change; while it is loading the caller holds it, and its pointers are left alone.
    Result<void> update(Loading loading) { return root().update(loading); }
    /// Counting begins.
    void start();
    /// Whether the program has replaced a redirected pointer since; update() then finds out what by.
    [[nodiscard]] bool tables_changed() const { return root().tables_changed(); }
    /// The process runs another program now: what was counted stays, its blocks and pointers are gone. Counting goes on.
    Result<void> image_replaced() { return image_replaced(root()); }
    /// Counting ends and pointers are put back; the probes are still there. Errors say which pointer could not be put back.
    Result<void> restore();
    /// The same, and removes the probes.
    Result<void> stop();
    /// One sentence more for every report: something that is not seen.
    void add_note(std::string note) { notes_.push_back(std::move(note)); }
    [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
    /// Estimated cost of the hits since start() in ns, by ProbeGroup.
    [[nodiscard]] std::vector<double> spent_ns() const;
    /// Removes the probes of a group from all processes, and from those that come; the others stay. What they counted stays as it is.
    Result<void> drop(ProbeGroup group);
    [[nodiscard]] std::optional<std::uint64_t> setup_word() const { return root().setup_word(); }
    /// Frees what only update() needs.
    void forget_modules() { root().forget_modules(); }

    /// All threads of all traced processes stand still for as long as the result lives. Errors: not all can be held; then none is.
    Result<std::shared_ptr<void>> hold();
    /// Forgets all blocks, what processes hold and held at most; tracing goes on. Losses stay; later frees of forgotten blocks count
    /// as untracked. Processes are held meanwhile; Errors: as hold(), and nothing is forgotten.
    Result<void> clear();
    /// What processes held at most is from now on what they hold. Held meanwhile; Errors: as hold().
    Result<void> reset_peak();
    /// How often clear() was done.
    [[nodiscard]] unsigned clears() const { return clears_; }
    /// How long processes were held by clear() or reset_peak() last.
    [[nodiscard]] std::chrono::nanoseconds held_for() const { return held_for_; }

    /// To be polled; -1: nothing to wait for now. follow_new_code() is called then, and every 50 ms or so.
    [[nodiscard]] int code_fd() const { return notice_ ? notice_->poll_fd() : -1; }
    /// Takes what the kernel tells of processes, while they are still known: before ends are handled. follow_new_code() does it, too.
    void notice_new_code();
    /// When follow_new_code() has more to do than to look; max(): nothing is known to do.
    [[nodiscard]] std::chrono::steady_clock::time_point code_due() const;
    /// Probes libraries that processes have loaded since. Costs nothing when there are none. The processes whose code has changed.
    std::vector<TracedProcess*> follow_new_code();
    [[nodiscard]] const std::vector<WantedMark>& marks() const { return context_->marks; }
    /// What is not seen of marks, one sentence each.
    [[nodiscard]] std::vector<std::string> mark_notes() const;

    /// Another process, traced from now on; nothing is attached yet. Errors: too many, gone, no permission.
    Result<TracedProcess*> add(int pid);
    /// The child that thread `tid` of `parent` has just forked, with a copy of its blocks. Both are held by the caller. The thread may run on
    /// then; the child after attach_planned() or update().
    Result<TracedProcess*> add_child(TracedProcess& parent, int tid, int child);
    /// Thread `tid` has forked what gets no copy.
    void forget_fork(int tid);
    /// As image_replaced(), of any of them.
    Result<void> image_replaced(TracedProcess& process);
    /// It has ended or is no longer followed: its probes are removed. Its numbers stay to be read until forget_ended().
    void end(TracedProcess& process);
    /// Takes processes that have ended, and the blocks of programs that were replaced, out of the kernel's tables.
    void forget_ended();
    /// Whether the blocks of a slot wait for forget_ended().
    [[nodiscard]] bool has_ended(std::uint16_t slot) const { return slot < ended_slots_.size() && ended_slots_[slot]; }
    [[nodiscard]] bool has_ended() const;
    [[nodiscard]] const std::vector<bool>& ended_slots() const { return ended_slots_; }
    [[nodiscard]] TracedProcess* find(int pid);
    /// The first is the one the trace began with.
    [[nodiscard]] std::span<const std::unique_ptr<TracedProcess>> processes() const { return processes_; }

    [[nodiscard]] TracedProcess& root() { return *processes_.front(); }
    [[nodiscard]] const TracedProcess& root() const { return *processes_.front(); }
    [[nodiscard]] const Target& target() const { return root().target(); }
    [[nodiscard]] KernelSide& kernel() { return context_->kernel; }
    [[nodiscard]] const KernelSide& kernel() const { return context_->kernel; }
    [[nodiscard]] const Plan& plan() const { return root().plan(); }
    /// The probes of all processes; KernelSide::hits() counts in this order.
    [[nodiscard]] const std::vector<PlannedProbe>& probes() const { return context_->places.probes(); }
    [[nodiscard]] AttachMethod method() const { return context_->calibration.method; }
    /// Since start(); until stop() when it was called.
    [[nodiscard]] std::chrono::nanoseconds traced_for() const;
    /// How long the target was held still when its pointers were changed last.
    [[nodiscard]] std::chrono::nanoseconds pause() const { return root().pause(); }

private:
    Result<std::shared_ptr<void>> try_to_hold(bool& all_stand);
    Session(std::unique_ptr<TraceContext> context, Target target);
    Result<TracedProcess*> adopt(Target target);
    Result<void> while_held(const std::function<void()>& work);
    std::optional<std::uint16_t> new_slot();
    void keep_code_notes(const TracedProcess& process);
    void add_once(std::string note);

    std::unique_ptr<TraceContext> context_;
    std::vector<std::unique_ptr<TracedProcess>> processes_;
    std::vector<std::uint32_t> free_indexes_;
    std::uint32_t next_slot_ = 0;
    unsigned clears_ = 0;
    std::chrono::nanoseconds held_for_{};
    std::vector<std::string> notes_;
    std::optional<CodeNotice> notice_;  ///< None: mappings are looked at.
    std::chrono::steady_clock::time_point looked_for_code_ = std::chrono::steady_clock::now();
    std::vector<bool> ended_slots_;  ///< Of which blocks may still lie in the tables.
    std::chrono::steady_clock::time_point started_{};
    std::optional<std::chrono::steady_clock::time_point> stopped_;
};

}  // namespace memtrace
