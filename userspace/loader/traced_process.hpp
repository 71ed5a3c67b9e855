// One process under trace: what was planned for it, its probes, and the pointers written into it.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "loader/attach.hpp"
#include "loader/calibrate.hpp"
#include "loader/kernel_side.hpp"
#include "loader/link_remover.hpp"
#include "loader/mapped_code.hpp"
#include "loader/places.hpp"
#include "probes/marks.hpp"
#include "probes/plan.hpp"
#include "process/target.hpp"
#include "python/plan.hpp"
#include "util/result.hpp"

namespace memtrace {

enum class Loading : bool { complete, in_progress };

/// Probes that are attached and removed together: none of them makes sense without the others.
enum class ProbeGroup : std::uint8_t { heap, mappings, python };
inline constexpr std::array probe_groups{ProbeGroup::heap, ProbeGroup::mappings, ProbeGroup::python};
ProbeGroup group_of(const PlannedProbe& probe);

/// Holds the threads of process `pid` still for as long as the result lives; null: it cannot, and they run on.
using HoldThreads = std::function<std::shared_ptr<void>(int pid)>;

/// What the processes of a trace have in common.
struct TraceContext {
    Calibration calibration;
    bool redirect = true;
    std::vector<std::string> allocator_prefixes;
    HoldThreads hold;
    KernelSide kernel;
    Places places = {};
    std::vector<ProbeGroup> dropped = {};  ///< Not attached any more, in no process.
    LinkRemover remover = {};
    std::vector<WantedMark> marks = {};
    std::vector<bool> marks_found = {};  ///< In some process.
    [[nodiscard]] bool has_dropped(ProbeGroup group) const { return std::find(dropped.begin(), dropped.end(), group) != dropped.end(); }
};

/// Not copied, not moved: others keep its address. Destroying it removes its probes; pointers are put back by restore_redirects().
class TracedProcess {
public:
    /// `index`: of its record in the kernel, which is set up here; `slot`: of its blocks.
    TracedProcess(Target target, TraceContext& context, std::uint32_t index, std::uint16_t slot);
    TracedProcess(const TracedProcess&) = delete;
    TracedProcess& operator=(const TracedProcess&) = delete;

    /// Plans for what the process maps now and adds the probes and redirects that are not there yet (Session::update()).
    Result<void> update(Loading loading);
    /// It has mapped code; by the kernel's notice, or (look_for_code) by a look at what it has mapped.
    void code_mapped(const CodeMapping& mapping) { code_.mapped(mapping); }
    void look_for_code() { code_.look(pid()); }
    /// When follow_new_code() has something to do; max(): never.
    [[nodiscard]] std::chrono::steady_clock::time_point code_due() const {
        return ended_ ? std::chrono::steady_clock::time_point::max() : code_.due();
    }
    /// Probes what was mapped since, when there is anything and its time has come. True: there was, and addresses have other names.
    Result<bool> follow_new_code();
    /// Which new code ran for how long without its probes, one sentence each.
    [[nodiscard]] std::vector<std::string> code_notes() const { return code_.notes(); }
    /// It is a copy of `parent`: the same interpreters at the same addresses, the same pointers written. No probe yet.
    void become_copy_of(const TracedProcess& parent);
    /// Attaches what is planned; after become_copy_of().
    Result<void> attach_planned();
    /// Runs another program now; its blocks have slot `slot`.
    Result<void> image_replaced(std::uint16_t slot);
    /// Puts the pointers back that still hold what was written. `ended`: there is nothing left to put back.
    Result<void> restore_redirects();
    [[nodiscard]] bool tables_changed() const;
    /// The word of its allocator tables that is stored last when its interpreter sets up other allocators than its own, if it has been told
    /// to (PYTHONMALLOC, -X dev).
    [[nodiscard]] std::optional<std::uint64_t> setup_word() const;
    /// They are gone when the remover has nothing left to do.
    void remove_probes();
    /// Removes the probes of a group that context.dropped names now, and what only they needed in the target.
    Result<void> drop(ProbeGroup group);
    /// Removes its probes and lets go of it.
    void end();

    [[nodiscard]] const Target& target() const { return target_; }
    [[nodiscard]] int pid() const { return target_.pid(); }
    [[nodiscard]] std::uint32_t index() const { return index_; }
    [[nodiscard]] std::uint16_t slot() const { return slot_; }
    [[nodiscard]] bool ended() const { return ended_; }
    [[nodiscard]] const Plan& plan() const { return plan_; }
    [[nodiscard]] mt_process& kernel() { return context_.kernel.process(index_); }
    [[nodiscard]] const mt_process& kernel() const { return context_.kernel.process(index_); }
    [[nodiscard]] std::chrono::nanoseconds pause() const { return pause_; }
    /// When this program began to be traced.
    [[nodiscard]] std::chrono::steady_clock::time_point since() const { return since_; }
    [[nodiscard]] const std::vector<std::string>& mark_notes() const { return mark_notes_; }
    void add_note(std::string note) { plan_.notes.push_back(std::move(note)); }
    void forget_modules() { modules_.clear(); }

private:
    struct GroupLinks {
        ProbeGroup group;
        Links links;
    };
    [[nodiscard]] Result<void> check_image() const;
    void take_probes(Plan& fresh);
    void take_pythons(Plan& fresh);
    [[nodiscard]] std::vector<ProbeGroup> changed_groups(const Plan& fresh) const;
    void forget_group(ProbeGroup group);
    void forget_probes_from(std::size_t first);
    void tell_kernel();
    [[nodiscard]] std::string own_path(const std::string& path) const;
    void take_marks();
    Result<void> attach_marks(const std::vector<PlannedMark>& marks);
    Result<void> attach_from(std::size_t first_new);
    std::vector<AttachPoint> new_exits(std::size_t first_new);
    Result<void> write_redirects(const std::vector<PlannedRedirect>& redirects);

    Target target_;
    TraceContext& context_;
    std::uint32_t index_;
    std::uint16_t slot_;
    bool ended_ = false;
    Plan plan_;
    std::vector<std::uint32_t> numbers_;  ///< Of plan_.probes, in Places.
    std::vector<Module> modules_;
    std::vector<GroupLinks> links_;
    std::set<std::pair<std::string, std::uint64_t>> exits_;  ///< Return instructions with probes: file, offset. Functions share them.
    std::vector<PlannedMark> marks_;
    std::vector<Links> mark_links_;
    std::vector<std::string> mark_notes_;
    MappedCode code_;
    std::vector<PlannedRedirect> written_;
    std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
    std::chrono::nanoseconds pause_{};
};

struct PlanOptions {
    PythonOptions python;
    std::vector<std::string> allocator_prefixes;
    Loading loading = Loading::complete;  ///< in_progress: the dynamic loader is still at work, so that an allocator may not be there yet.
};

/// What would be done to a process, without doing it.
Result<Plan> make_plan(const Target& target, std::vector<Module>& modules, const ProbeCosts& costs, const PlanOptions& options);

}  // namespace memtrace
