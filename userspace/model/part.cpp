#include "model/part.hpp"

#include <algorithm>
#include <set>

namespace memtrace {
namespace {

bool keeps(const std::vector<bool>& keep, std::size_t process) { return process < keep.size() && keep[process]; }

// Copies sites with nothing but the names they use.
class Copier {
public:
    Copier(const Snapshot& from, Snapshot& to) : from_(from), to_(to), interner_(to), frames_(from.frames.size(), unknown) {}

    StringId string(StringId id) { return interner_.string(from_.text(id)); }

    Site site(Site site) {
        site.domain = string(site.domain);
        site.thread_name = string(site.thread_name);
        for (FrameId& frame : site.frames) frame = this->frame(frame);
        return site;
    }

private:
    static constexpr std::uint32_t unknown = ~0U;

    FrameId frame(FrameId id) {
        std::uint32_t& known = frames_[static_cast<std::size_t>(id)];
        if (known == unknown) {
            const Frame& frame = from_.frame(id);
            known = static_cast<std::uint32_t>(interner_.frame(
                {from_.text(frame.file), frame.line, from_.text(frame.function), frame.python, frame.end_line, frame.column, frame.end_column}));
        }
        return FrameId{known};
    }

    const Snapshot& from_;
    Snapshot& to_;
    Interner interner_;
    std::vector<std::uint32_t> frames_;  ///< Of the new snapshot, by those of the old.
};

}  // namespace

Snapshot part_of(const Snapshot& snapshot, const std::vector<bool>& keep) {
    const bool all = [&] {
        for (std::size_t i = 0; i < snapshot.processes.size(); ++i)
            if (!keeps(keep, i)) return false;
        return true;
    }();
    if (all) return snapshot;
    Snapshot part;
    part.tool_version = snapshot.tool_version;
    part.kernel = snapshot.kernel;
    part.time = snapshot.time;
    part.traced_for = snapshot.traced_for;
    part.events = snapshot.events;
    part.tracing_cost = snapshot.tracing_cost;
    part.frame_limit = snapshot.frame_limit;
    part.has_blocks = snapshot.has_blocks;
    part.threads_apart = snapshot.threads_apart;
    part.has_temporaries = snapshot.has_temporaries;
    part.name = snapshot.name;
    part.marks_dropped = snapshot.marks_dropped;
    part.losses = snapshot.losses;
    part.notes = {"only the processes of one user are shown; costs and losses are those of the whole trace"};
    Copier copier(snapshot, part);
    std::set<std::int32_t> pids;
    std::vector<std::uint32_t> moved(snapshot.processes.size());
    for (std::size_t i = 0; i < snapshot.processes.size(); ++i) {
        if (!keeps(keep, i)) continue;
        moved[i] = static_cast<std::uint32_t>(part.processes.size());
        pids.insert(snapshot.processes[i].pid);
        part.processes.push_back(snapshot.processes[i]);
        for (Process::DomainUsage& usage : part.processes.back().domains) usage.domain = copier.string(usage.domain);
    }
    for (const Site& site : snapshot.sites) {
        if (!keeps(keep, site.process)) continue;
        part.sites.push_back(copier.site(site));
        part.sites.back().process = moved[site.process];
    }
    std::copy_if(snapshot.marks.begin(), snapshot.marks.end(), std::back_inserter(part.marks),
                 [&](const Mark& mark) { return pids.contains(mark.pid); });
    return part;
}

}  // namespace memtrace
