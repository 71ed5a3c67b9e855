// The marks of one process: where they are, and their probes.
#include <algorithm>

#include "loader/traced_process.hpp"

namespace memtrace {

void TracedProcess::take_marks() {
    mark_notes_.clear();
    std::vector<PlannedMark> fresh = plan_marks(modules_, context_.marks, context_.calibration.costs, mark_notes_);
    // What was loaded since may throw exceptions, which a return probe would break: all marks begin anew, without it.
    const bool harmful = std::any_of(marks_.begin(), marks_.end(), [&](const PlannedMark& known) {
        return known.at_return &&
               std::none_of(fresh.begin(), fresh.end(), [&](const PlannedMark& mark) { return mark.at_return && mark.same_place(known); });
    });
    if (harmful) {
        for (Links& links : mark_links_) context_.remover.remove(std::move(links));
        mark_links_.clear();
        marks_.clear();
        context_.remover.wait();
    }
    std::erase_if(fresh, [this](const PlannedMark& mark) {
        return std::any_of(marks_.begin(), marks_.end(), [&](const PlannedMark& known) { return known.same_place(mark); });
    });
    for (const PlannedMark& mark : fresh)
        if (mark.kind != MT_MARK_NAMED) context_.marks_found[mark.number] = true;
    if (Result<void> done = attach_marks(fresh); !done) {
        mark_notes_.push_back("marks of pid " + std::to_string(pid()) + " are not seen: " + done.error().what);
        return;
    }
    marks_.insert(marks_.end(), fresh.begin(), fresh.end());
}

// Ends before beginnings: a call whose beginning was seen is seen to end.
Result<void> TracedProcess::attach_marks(const std::vector<PlannedMark>& marks) {
    const std::size_t links_before = mark_links_.size();
    for (const bool at_return : {true, false}) {
        std::vector<AttachPoint> points;
        for (const mt_mark_kind kind : {MT_MARK_NAMED, MT_MARK_AFTER, MT_MARK_BEFORE})
            for (const PlannedMark& mark : marks)
                if (mark.kind == kind && mark.at_return == at_return)
                    points.push_back({own_path(mark.attach_path), mark.offset, MT_MARK_COOKIE(mark.number, index_, mark.kind)});
        if (points.empty()) continue;
        Result<Links> links = attach(context_.kernel.mark(), context_.calibration.method, pid(), points, at_return);
        if (!links) {
            mark_links_.resize(links_before);
            return std::move(links).error();
        }
        mark_links_.push_back(*std::move(links));
    }
    return {};
}

}  // namespace memtrace
