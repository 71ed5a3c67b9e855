#include "loader/traced_process.hpp"

#include <algorithm>

#include "loader/usage.hpp"
#include "python/plan.hpp"
#include "python/start_options.hpp"

namespace memtrace {
namespace {

// Whose calls a probe counts. It may change: by replacing their tables, programs make domains share functions or stop to.
bool same_meaning(const PlannedProbe& a, const PlannedProbe& b) {
    return a.domain == b.domain && a.domain_by_ctx == b.domain_by_ctx && a.shape == b.shape && a.interpreter == b.interpreter;
}

bool same_place(const PlannedProbe& a, const PlannedProbe& b) {
    return a.inode == b.inode && a.device == b.device && a.file == b.file && a.offset == b.offset && a.site.address == b.site.address;
}

AttachPoint point_of(const PlannedProbe& probe, std::string path, std::uint32_t number, std::uint32_t process) {
    const auto at = [&](unsigned argument) { return probe.site.registers[std::min<std::size_t>(probe.first_argument + argument, 5)]; };
    const unsigned ctx = probe.domain_by_ctx ? probe.site.registers[0] : MT_NO_REGISTER;
    return {std::move(path), probe.offset, MT_COOKIE(number, process, probe.domain, probe.interpreter, probe.shape, at(0), at(1), at(2), ctx)};
}

}  // namespace

ProbeGroup group_of(const PlannedProbe& probe) {
    if (probe.domain == MT_DOMAIN_MALLOC) return ProbeGroup::heap;
    return probe.domain == MT_DOMAIN_MMAP ? ProbeGroup::mappings : ProbeGroup::python;
}

Result<Plan> make_plan(const Target& target, std::vector<Module>& modules, const ProbeCosts& costs, const PythonOptions& python, Loading loading) {
    Plan plan;
    std::vector<std::string> skipped;
    if (Result<void> done = refresh_modules(target.pid(), modules, skipped); !done) return std::move(done).error();
    if (Result<void> done = plan_libc(modules, costs, plan); !done && loading == Loading::complete) {
        if (!skipped.empty()) return std::move(done).error().in("pid " + std::to_string(target.pid()) + " (" + skipped.front() + ")");
        return std::move(done).error().in("pid " + std::to_string(target.pid()));
    }
    plan_wrappers(modules, plan);
    plan_python(target, modules, costs, python, plan);
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
    PythonOptions python{context_.redirect};
    for (const PlannedRedirect& redirect : written_) python.ours.push_back(redirect.slot);
    Result<Plan> fresh = make_plan(target_, modules_, context_.calibration.costs, python, loading);
    if (!fresh) return std::move(fresh).error();
    // What was planned while it was going away is no plan.
    if (Result<void> same = check_image(); !same) return same;
    take_pythons(*fresh);
    // Calls between the removal of probes and their return would not be seen.
    const std::shared_ptr<void> held = changes_meaning(*fresh) ? context_.hold(pid()) : nullptr;
    forget_changed(*fresh);
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

void TracedProcess::take_probes(Plan& fresh) {
    for (PlannedProbe& probe : fresh.probes) {
        const bool known = std::any_of(plan_.probes.begin(), plan_.probes.end(), [&](const PlannedProbe& p) { return same_place(p, probe); });
        if (known || plan_.probes.size() >= MT_MAX_PROBES) continue;
        const std::optional<std::uint32_t> number = context_.places.number(probe, numbers_);
        if (!number) {
            add_note("pid " + std::to_string(pid()) + ": " + probe.hook + " in " + probe.file + " is not seen: too many different probes");
            continue;
        }
        numbers_.push_back(*number);
        plan_.probes.push_back(std::move(probe));
    }
}

bool TracedProcess::changes_meaning(const Plan& fresh) const {
    return std::any_of(plan_.probes.begin(), plan_.probes.end(), [&](const PlannedProbe& known) {
        return std::any_of(fresh.probes.begin(), fresh.probes.end(),
                           [&](const PlannedProbe& probe) { return same_place(probe, known) && !same_meaning(probe, known); });
    });
}

// What is attached cannot be changed: all of CPython's go, to be attached anew.
void TracedProcess::forget_changed(const Plan& fresh) {
    if (!changes_meaning(fresh)) return;
    std::erase_if(links_, [](const GroupLinks& links) { return links.group == ProbeGroup::python; });
    for (std::size_t i = plan_.probes.size(); i-- > 0;) {
        if (group_of(plan_.probes[i]) != ProbeGroup::python) continue;
        plan_.probes.erase(plan_.probes.begin() + static_cast<std::ptrdiff_t>(i));
        numbers_.erase(numbers_.begin() + static_cast<std::ptrdiff_t>(i));
    }
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
    numbers_ = parent.numbers_;
    written_ = parent.written_;
    marks_ = parent.marks_;
    code_ = parent.code_;
    tell_kernel();
}

Result<void> TracedProcess::attach_planned() {
    Result<void> done = attach_from(0);
    if (!done) forget_probes_from(0);
    if (done) done = attach_marks(marks_);
    return done;
}

// What was not attached is not known, or it would not be tried again.
void TracedProcess::forget_probes_from(std::size_t first) {
    plan_.probes.resize(std::min(first, plan_.probes.size()));
    numbers_.resize(plan_.probes.size());
}

// Releases first, then returns, then entries: a block that is counted is never freed unseen, a call never entered without its return.
Result<void> TracedProcess::attach_from(std::size_t first_new) {
    const KernelSide& kernel_side = context_.kernel;
    const std::size_t links_before = links_.size();
    const struct {
        const bpf_program* program;
        bool releases, at_return;
    } steps[] = {{kernel_side.release(), true, false}, {kernel_side.leave(), false, true}, {kernel_side.enter(), false, false}};
    for (const auto& step : steps) {
        for (const ProbeGroup group : probe_groups) {
            if (context_.has_dropped(group)) continue;
            std::vector<AttachPoint> points;
            for (std::size_t i = first_new; i < plan_.probes.size(); ++i)
                if (group_of(plan_.probes[i]) == group && needs_return(plan_.probes[i].shape) != step.releases)
                    points.push_back(point_of(plan_.probes[i], own_path(plan_.probes[i].attach_path), numbers_[i], index_));
            if (points.empty()) continue;
            Result<Links> links = attach(step.program, context_.calibration.method, pid(), points, step.at_return);
            if (!links) {
                links_.erase(links_.begin() + static_cast<std::ptrdiff_t>(links_before), links_.end());
                return std::move(links).error();
            }
            links_.push_back({group, *std::move(links)});
        }
    }
    return {};
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
