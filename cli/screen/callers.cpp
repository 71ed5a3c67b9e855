#include "screen/callers.hpp"

#include <algorithm>

namespace memtrace::cli::screen {
namespace {

constexpr std::size_t most_lines = 10'000;

struct Node {
    FrameId frame{};
    Place place;
    std::uint64_t bytes = 0, count = 0;
    bool cut = false;
    std::vector<std::size_t> callers;
};

class Tree {
public:
    Tree(const Snapshot& snapshot, bool unicode) : snapshot_(snapshot), unicode_(unicode), nodes_(1) {}

    // From the `first` frame of the stack outwards. False: there is no room for all of it.
    bool add(const Statistic& row, std::size_t first) {
        const Stack stack = row.stack();
        std::size_t at = 0;
        for (std::size_t i = first; i < stack.size(); ++i) {
            const std::size_t next = child(at, stack[i]);
            if (next == 0) return false;
            at = next;
            nodes_[at].bytes += row.size_bytes;
            nodes_[at].count += row.count;
        }
        // What is native of the stack is not shown by Python lines: the rest is whole then.
        if (row.site->total_frames > row.site->frames.size()) nodes_[at].cut = true;
        return true;
    }

    std::vector<CallerLine> lines() {
        std::vector<CallerLine> lines;
        // Depth first without recursion: stacks may be deep.
        struct Step {
            std::size_t node;
            std::string branch, below;
        };
        std::vector<Step> steps;
        const auto push = [&](std::size_t node, const std::string& below, bool fork) {
            std::vector<std::size_t>& callers = nodes_[node].callers;
            std::sort(callers.begin(), callers.end(),
                      [&](std::size_t a, std::size_t b) { return nodes_[a].bytes != nodes_[b].bytes ? nodes_[a].bytes > nodes_[b].bytes : a < b; });
            for (std::size_t i = callers.size(); i-- > 0;) {
                const bool last = i + 1 == callers.size();
                const std::string branch = !fork ? below : below + (unicode_ ? last ? "└─ " : "├─ " : last ? "`- " : "|- ");
                const std::string deeper = !fork ? below : below + (last ? "   " : unicode_ ? "│  " : "|  ");
                steps.push_back({callers[i], branch, deeper});
            }
        };
        push(0, "", nodes_[0].callers.size() > 1);
        while (!steps.empty()) {
            const Step step = std::move(steps.back());
            steps.pop_back();
            const Node& node = nodes_[step.node];
            lines.push_back({step.branch, node.place, snapshot_.text(snapshot_.frame(node.frame).function), snapshot_.frame(node.frame).python,
                             node.bytes, node.count, node.cut});
            // A single caller stands below without being moved to the right: most stacks are long and narrow.
            push(step.node, step.below, node.callers.size() > 1);
        }
        return lines;
    }

private:
    std::size_t child(std::size_t parent, FrameId frame) {
        const Place place = place_of(snapshot_, frame, GroupBy::line);
        for (const std::size_t known : nodes_[parent].callers)
            if (nodes_[known].place == place) return known;
        if (nodes_.size() > most_lines) return 0;
        nodes_.push_back({frame, place, 0, 0, false, {}});
        nodes_[parent].callers.push_back(nodes_.size() - 1);
        return nodes_.size() - 1;
    }

    const Snapshot& snapshot_;
    bool unicode_;
    std::vector<Node> nodes_;  ///< The first is the root, above the newest frames.
};

// Cumulative rows begin at the frame they are of, not at the newest.
std::size_t first_frame(const Statistic& row, const View& view, const RowKey& key) {
    if (!view.cumulative || key.frames.empty()) return 0;
    const Stack stack = row.stack();
    for (std::size_t i = 0; i < stack.size(); ++i) {
        const Place place = place_of(*row.snapshot, stack[i], key.by);
        if (place.line == key.frames[0].line && place.file == key.frames[0].file && place.function == key.frames[0].function) return i;
    }
    return 0;
}

}  // namespace

Callers callers_of(std::shared_ptr<const Snapshot> whole, const View& view, const RowKey& key, bool unicode) {
    auto part = std::make_shared<Snapshot>(*whole);
    std::erase_if(part->sites, [&](const Site& site) { return !belongs(*part, site, view, key); });
    View by_traceback = view;
    by_traceback.by = GroupBy::traceback;
    by_traceback.cumulative = false;
    Callers callers;
    Tree tree(*part, unicode);
    if (check(by_traceback, *part)) {
        for (const Statistic& row : statistics(*part, by_traceback)) {
            ++callers.tracebacks;
            callers.bytes += row.size_bytes;
            callers.count += row.count;
            if (!tree.add(row, first_frame(row, view, key))) callers.more = true;
        }
    }
    callers.lines = tree.lines();
    callers.snapshot = std::move(part);
    return callers;
}

}  // namespace memtrace::cli::screen
