#include "symbolizer/range_map.hpp"

#include <algorithm>
#include <tuple>

namespace memtrace {

RangeMap::RangeMap(std::vector<Range> ranges) {
    std::erase_if(ranges, [](const Range& range) { return range.start >= range.end; });
    std::sort(ranges.begin(), ranges.end(),
              [](const Range& a, const Range& b) { return std::tie(a.start, a.depth, b.end) < std::tie(b.start, b.depth, a.end); });
    std::vector<const Range*> open;
    const auto close_until = [&](std::uint64_t address) {
        while (!open.empty() && open.back()->end <= address) {
            const std::uint64_t end = open.back()->end;
            open.pop_back();
            mark(end, open.empty() ? kNone : open.back()->value);
        }
    };
    for (Range& range : ranges) {
        close_until(range.start);
        if (!open.empty()) range.end = std::min(range.end, open.back()->end);
        mark(range.start, range.value);
        open.push_back(&range);
    }
    close_until(kNone);
    boundaries_.shrink_to_fit();
}

void RangeMap::mark(std::uint64_t start, std::uint64_t value) {
    if (!boundaries_.empty() && boundaries_.back().start == start) {
        boundaries_.back().value = value;
    } else {
        boundaries_.push_back({start, value});
    }
}

std::optional<std::uint64_t> RangeMap::find(std::uint64_t address) const {
    const auto after = std::upper_bound(boundaries_.begin(), boundaries_.end(), address,
                                        [](std::uint64_t wanted, const Boundary& boundary) { return wanted < boundary.start; });
    if (after == boundaries_.begin() || std::prev(after)->value == kNone) return std::nullopt;
    return std::prev(after)->value;
}

}  // namespace memtrace
