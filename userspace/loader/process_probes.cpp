// The probes of one process: taken from a plan, numbered, attached.
#include <algorithm>

#include "loader/traced_process.hpp"

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
    const unsigned shape = probe.shape | (probe.at_exits ? MT_AT_EXITS : 0U);
    return {std::move(path), probe.offset, MT_COOKIE(number, process, probe.domain, probe.interpreter, shape, at(0), at(1), at(2), ctx)};
}

}  // namespace

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

// Of probes that are known. A new program may be built upon an allocator that was the old one's own.
std::vector<ProbeGroup> TracedProcess::changed_groups(const Plan& fresh) const {
    std::vector<ProbeGroup> changed;
    for (const PlannedProbe& known : plan_.probes) {
        const bool changes = std::any_of(fresh.probes.begin(), fresh.probes.end(),
                                         [&](const PlannedProbe& probe) { return same_place(probe, known) && !same_meaning(probe, known); });
        if (changes && std::find(changed.begin(), changed.end(), group_of(known)) == changed.end()) changed.push_back(group_of(known));
    }
    return changed;
}

// What is attached cannot be changed: all of a group go, to be attached anew.
void TracedProcess::forget_group(ProbeGroup group) {
    std::erase_if(links_, [&](const GroupLinks& links) { return links.group == group; });
    for (std::size_t i = plan_.probes.size(); i-- > 0;) {
        if (group_of(plan_.probes[i]) != group) continue;
        plan_.probes.erase(plan_.probes.begin() + static_cast<std::ptrdiff_t>(i));
        numbers_.erase(numbers_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (group == ProbeGroup::heap) exits_.clear();
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
    exits_.clear();
    for (const PlannedProbe& probe : plan_.probes)
        for (const std::uint64_t offset : probe.exits) exits_.emplace(probe.attach_path, offset);
    numbers_.resize(plan_.probes.size());
}

// Those of these probes that have none yet.
std::vector<AttachPoint> TracedProcess::new_exits(std::size_t first_new) {
    std::vector<AttachPoint> points;
    for (std::size_t i = first_new; i < plan_.probes.size(); ++i) {
        const PlannedProbe& probe = plan_.probes[i];
        for (const std::uint64_t offset : probe.exits)
            if (exits_.emplace(probe.attach_path, offset).second)
                points.push_back({own_path(probe.attach_path), offset, MT_COOKIE(numbers_[i], index_, probe.domain, 0, probe.shape, 0, 0, 0, 0)});
    }
    return points;
}

// Releases first, then returns, then entries: a block that is counted is never freed unseen, a call never entered without its return.
Result<void> TracedProcess::attach_from(std::size_t first_new) {
    const KernelSide& kernel_side = context_.kernel;
    const std::size_t links_before = links_.size();
    const struct {
        const bpf_program* program;
        std::function<bool(const PlannedProbe&)> concerns;
        bool at_return;
    } steps[] = {{kernel_side.release(), [](const PlannedProbe& probe) { return !needs_return(probe.shape); }, false},
                 {kernel_side.leave(), [](const PlannedProbe& probe) { return needs_return(probe.shape) && !probe.at_exits; }, true},
                 {kernel_side.exit(), nullptr, false},
                 {kernel_side.enter(), [](const PlannedProbe& probe) { return needs_return(probe.shape); }, false}};
    for (const auto& step : steps) {
        for (const ProbeGroup group : probe_groups) {
            if (context_.has_dropped(group)) continue;
            std::vector<AttachPoint> points;
            for (std::size_t i = first_new; i < plan_.probes.size(); ++i)
                if (step.concerns && group_of(plan_.probes[i]) == group && step.concerns(plan_.probes[i]))
                    points.push_back(point_of(plan_.probes[i], own_path(plan_.probes[i].attach_path), numbers_[i], index_));
            if (!step.concerns && group == ProbeGroup::heap) points = new_exits(first_new);
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

}  // namespace memtrace
