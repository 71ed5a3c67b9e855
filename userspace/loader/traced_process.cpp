#include "loader/traced_process.hpp"

#include <algorithm>

#include "loader/usage.hpp"
#include "process/link_map.hpp"
#include "python/start_options.hpp"

namespace memtrace {

ProbeGroup group_of(const PlannedProbe& probe) {
    if (probe.domain == MT_DOMAIN_MALLOC) return ProbeGroup::heap;
    return probe.domain == MT_DOMAIN_MMAP ? ProbeGroup::mappings : ProbeGroup::python;
}

Result<Plan> make_plan(const Target& target, std::vector<Module>& modules, const ProbeCosts& costs, const PlanOptions& options) {
    Plan plan;
    std::vector<std::string> skipped;
    if (Result<void> done = refresh_modules(target.pid(), modules, skipped); !done) return std::move(done).error();
    const HeapOptions heaps{options.allocator_prefixes, biases_in_search_order(target)};
    if (Result<void> done = plan_heaps(modules, heaps, costs, plan); !done && options.loading == Loading::complete) {
        if (!skipped.empty()) return std::move(done).error().in("pid " + std::to_string(target.pid()) + " (" + skipped.front() + ")");
        return std::move(done).error().in("pid " + std::to_string(target.pid()));
    }
    plan_wrappers(modules, plan);
    plan_python(target, modules, costs, options.python, plan);
    return plan;
}

// The files a process maps are reached through itself: a child may outlive the parent whose plan it has.
std::string TracedProcess::own_path(const std::string& path) const {
    static constexpr std::string_view proc = "/proc/";
    const std::size_t behind = path.starts_with(proc) ? path.find('/', proc.size()) : std::string::npos;
    return behind == std::string::npos ? path : std::string(proc) + std::to_string(pid()) + path.substr(behind);
}

TracedProcess::TracedProcess(Target target, TraceContext& context, std::uint32_t index, std::uint16_t slot)
    : target_(std::move(target)), context_(context), index_(index), slot_(slot) {
    mt_process& record = kernel();
    record = mt_process{};
    record.index = index;
    record.slot = slot;
}

Result<void> TracedProcess::update(Loading loading) {
    code_.read(pid());
    PlanOptions options{{context_.redirect}, context_.allocator_prefixes, loading};
    for (const PlannedRedirect& redirect : written_) options.python.ours.push_back(redirect.slot);
    Result<Plan> fresh = make_plan(target_, modules_, context_.calibration.costs, options);
    if (!fresh) return std::move(fresh).error();
    // What was planned while it was going away is no plan.
    if (Result<void> same = check_image(); !same) return same;
    take_pythons(*fresh);
    // Calls between the removal of probes and their return would not be seen.
    const std::vector<ProbeGroup> changed = changed_groups(*fresh);
    const std::shared_ptr<void> held = changed.empty() ? nullptr : context_.hold(pid());
    for (const ProbeGroup group : changed) forget_group(group);
    const std::size_t first_new = plan_.probes.size();
    plan_.notes = std::move(fresh->notes);
    take_probes(*fresh);
    if (!context_.has_dropped(ProbeGroup::python)) plan_.redirects = std::move(fresh->redirects);
    plan_.wrapper_calls = std::move(fresh->wrapper_calls);
    tell_kernel();
    if (Result<void> done = attach_from(first_new); !done) {
        forget_probes_from(first_new);
        return done;
    }
    take_marks();
    if (Result<void> same = check_image(); !same) return same;
    return loading == Loading::complete ? write_redirects(plan_.redirects) : Result<void>();
}

// Probes that are attached know their interpreter by its index: one that is known keeps it, in the plan and in the kernel.
void TracedProcess::take_pythons(Plan& fresh) {
    std::vector<unsigned> index;
    for (PlannedPython& python : fresh.pythons) {
        const auto known = std::find_if(plan_.pythons.begin(), plan_.pythons.end(),
                                        [&](const PlannedPython& other) { return other.python.runtime == python.python.runtime; });
        index.push_back(static_cast<unsigned>(known - plan_.pythons.begin()));
        if (known != plan_.pythons.end())
            *known = std::move(python);
        else if (plan_.pythons.size() < MT_MAX_INTERPRETERS)
            plan_.pythons.push_back(std::move(python));
    }
    for (PlannedProbe& probe : fresh.probes)
        if (probe.interpreter < index.size()) probe.interpreter = std::min(index[probe.interpreter], MT_MAX_INTERPRETERS - 1U);
}

void TracedProcess::tell_kernel() {
    mt_process& record = kernel();
    for (std::size_t i = 0; i < plan_.pythons.size(); ++i) {
        record.pythons[i] = plan_.pythons[i].python;
        if (context_.has_dropped(ProbeGroup::python)) record.pythons[i].frees_unseen = 1;
    }
    record.pythons_known = plan_.pythons.size();
    record.wrapper_calls_known = 0;
    std::copy(plan_.wrapper_calls.begin(), plan_.wrapper_calls.end(), record.wrapper_calls);
    record.wrapper_calls_known = plan_.wrapper_calls.size();
}

void TracedProcess::become_copy_of(const TracedProcess& parent) {
    plan_ = parent.plan_;
    exits_.clear();
    numbers_ = parent.numbers_;
    written_ = parent.written_;
    marks_ = parent.marks_;
    code_ = parent.code_;
    tell_kernel();
}

Result<void> TracedProcess::write_redirects(const std::vector<PlannedRedirect>& redirects) {
    // Written before, by us or by an earlier tracer: only to be put back at the end.
    std::vector<PlannedRedirect> fresh;
    for (const PlannedRedirect& redirect : redirects) {
        if (redirect.found != redirect.target) {
            fresh.push_back(redirect);
        } else if (std::none_of(written_.begin(), written_.end(), [&](const PlannedRedirect& earlier) { return earlier.slot == redirect.slot; })) {
            written_.push_back(redirect);
        }
    }
    if (fresh.empty()) return {};
    const auto begin = std::chrono::steady_clock::now();
    // A debugger may hold it already, or a thread be stuck in the kernel. Then the threads run on: an aligned store of 8 bytes is seen
    // whole or not at all.
    std::shared_ptr<void> held = context_.hold(pid());
    for (const PlannedRedirect& redirect : fresh) {
        // The program may have put another function there since: that one is planned for next time, not overwritten.
        const Result<std::uint64_t> now = target_.read<std::uint64_t>(redirect.slot);
        if (!now || *now != redirect.found) continue;
        std::erase_if(written_, [&](const PlannedRedirect& earlier) { return earlier.slot == redirect.slot; });
        written_.push_back(redirect);
        if (Result<void> done = target_.write_pointer(redirect.slot, redirect.target); !done)
            return std::move(done).error().in("redirecting " + redirect.name);
    }
    held.reset();
    pause_ = std::chrono::steady_clock::now() - begin;
    return {};
}

bool TracedProcess::tables_changed() const {
    const auto changed = [&](const PlannedEntry& entry) {
        const Result<std::uint64_t> now = target_.read<std::uint64_t>(entry.slot);
        return now && *now != entry.during;
    };
    return std::any_of(plan_.pythons.begin(), plan_.pythons.end(),
                       [&](const PlannedPython& python) { return std::any_of(python.entries.begin(), python.entries.end(), changed); });
}

std::optional<std::uint64_t> TracedProcess::setup_word() const {
    if (plan_.pythons.empty() || !sets_up_allocators(pid())) return std::nullopt;
    for (const PlannedEntry& entry : plan_.pythons.front().entries)
        if (entry.name == "obj.free") return entry.slot;
    return std::nullopt;
}

// Only slots that still hold what we wrote are ours to restore.
Result<void> TracedProcess::restore_redirects() {
    if (written_.empty() || ended_ || !target_.alive() || kernel().ended) {
        written_.clear();
        return {};
    }
    const std::shared_ptr<void> held = context_.hold(pid());
    Result<void> outcome;
    for (const PlannedRedirect& redirect : written_) {
        const Result<std::uint64_t> now = target_.read<std::uint64_t>(redirect.slot);
        if (!now || *now != redirect.target) continue;
        if (Result<void> done = target_.write_pointer(redirect.slot, redirect.original); !done)
            outcome = std::move(done).error().in("restoring " + redirect.name);
    }
    written_.clear();
    return outcome;
}

Result<void> TracedProcess::drop(ProbeGroup group) {
    Result<void> done;
    if (group == ProbeGroup::python) {
        plan_.redirects.clear();
        for (PlannedPython& python : plan_.pythons) python.entries.clear();
        tell_kernel();
        done = restore_redirects();
    }
    std::erase_if(links_, [&](const GroupLinks& links) { return links.group == group; });
    return done;
}

Result<void> TracedProcess::image_replaced(std::uint16_t slot) {
    code_.replaced();
    // Its probes stay: those in files that the new program maps, too, would be there twice for a while otherwise.
    written_.clear();
    plan_.redirects.clear();
    modules_.clear();
    plan_.pythons.clear();
    since_ = std::chrono::steady_clock::now();
    mt_process& record = kernel();
    record.pythons_known = 0;
    empty_usage(record.total);
    for (mt_usage& usage : record.domains) empty_usage(usage);
    record.forking = 0;
    record.slot = slot_ = slot;
    record.ended = 0;
    return target_.reopen();
}

void TracedProcess::remove_probes() {
    // After an exec what is new is another program's.
    if (kernel().ended && !ended_)
        code_.replaced();
    else
        code_.ended();
    for (GroupLinks& of_group : links_) context_.remover.remove(std::move(of_group.links));
    for (Links& links : mark_links_) context_.remover.remove(std::move(links));
    links_.clear();
    exits_.clear();
    mark_links_.clear();
}

void TracedProcess::end() {
    ended_ = true;
    kernel().ended = 1;
    remove_probes();
    written_.clear();
    modules_.clear();
    target_.close();
}

}  // namespace memtrace
