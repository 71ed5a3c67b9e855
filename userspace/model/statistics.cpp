// From sites to groups: ids of the snapshot are mapped to groups once per frame, so that a site costs two array reads.
#include "model/statistics.hpp"

#include <algorithm>
#include <functional>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace memtrace {
namespace {

/// What makes two blocks belong together. Views into the snapshot's strings.
struct Key {
    std::string_view file;
    std::uint32_t line = 0;
    std::string_view function;  ///< Empty unless by_function.
    bool by_function = false;
    bool operator==(const Key&) const = default;
};

struct KeyHash {
    std::size_t operator()(const Key& key) const {
        const std::hash<std::string_view> hash;
        return (hash(key.file) * 31 + key.line) * 31 + hash(key.function);
    }
};

struct Group {
    Key key;
    std::string_view function;
    StringId last_domain{};
    std::string domains;
    std::uint64_t size_bytes = 0;
    std::uint64_t count = 0;
};

/// CPython's _normalize_filename on POSIX.
std::string_view source_file(std::string_view file) {
    if (file.ends_with(".pyc")) file.remove_suffix(1);
    return file;
}

class Grouping {
public:
    Grouping(const Snapshot& snapshot, const View& view)
        : snapshot_(snapshot), view_(view), counts_(snapshot.processes_that_count()), group_of_frame_(snapshot.frames.size(), kNone) {
        for (const Site& site : snapshot.sites) add(site);
        name_domains();
    }
    std::vector<Group> take() && { return std::move(groups_); }

private:
    static constexpr std::uint32_t kNone = ~std::uint32_t{0};

    void add(const Site& site) {
        const std::uint64_t blocks = site.counters.live_blocks();
        if (site.process < counts_.size() && !counts_[site.process]) return;
        if (blocks == 0 || !passes(snapshot_, site, view_.filters)) return;
        const std::uint32_t index = group_of(shown_frame(site));
        Group& group = groups_[index];
        if (group.count == 0 || group.last_domain != site.domain) domains_.emplace_back(index, site.domain);
        group.last_domain = site.domain;
        group.size_bytes += site.counters.live_bytes();
        group.count += blocks;
    }

    [[nodiscard]] FrameId shown_frame(const Site& site) const {
        if (view_.lines == Lines::native) {
            for (const FrameId id : site.frames) {
                if (!snapshot_.frame(id).python) return id;
            }
        }
        return site.frames.front();
    }

    std::uint32_t group_of(FrameId id) {
        std::uint32_t& known = group_of_frame_[static_cast<std::size_t>(id)];
        if (known != kNone) return known;
        const Frame& frame = snapshot_.frame(id);
        const std::string_view function = snapshot_.text(frame.function);
        Key key{.file = source_file(snapshot_.text(frame.file)), .line = frame.line, .function = {}};
        key.by_function = !frame.python && frame.line == 0 && !function.empty();
        if (key.by_function) key.function = function;
        const auto [place, added] = groups_by_key_.try_emplace(key, static_cast<std::uint32_t>(groups_.size()));
        if (added) groups_.push_back(Group{.key = key, .function = function, .domains = {}});
        return known = place->second;
    }

    void name_domains() {
        const auto by_name = [this](const auto& a, const auto& b) {
            return std::tie(a.first, snapshot_.text(a.second)) < std::tie(b.first, snapshot_.text(b.second));
        };
        std::sort(domains_.begin(), domains_.end(), by_name);
        domains_.erase(std::unique(domains_.begin(), domains_.end()), domains_.end());
        for (const auto& [index, domain] : domains_) {
            std::string& names = groups_[index].domains;
            if (!names.empty()) names += ',';
            names += snapshot_.text(domain);
        }
    }

    const Snapshot& snapshot_;
    const View& view_;
    std::vector<bool> counts_;  ///< By process.
    std::vector<std::uint32_t> group_of_frame_;
    std::unordered_map<Key, std::uint32_t, KeyHash> groups_by_key_;
    std::vector<Group> groups_;
    std::vector<std::pair<std::uint32_t, StringId>> domains_;
};

std::vector<Group> group_by_line(const Snapshot& snapshot, const View& view) { return Grouping(snapshot, view).take(); }

Statistic to_statistic(Group&& group) {
    return Statistic{std::string(group.key.file),
                     group.key.line,
                     std::string(group.function),
                     group.key.by_function,
                     std::move(group.domains),
                     group.size_bytes,
                     group.count};
}

/// Tracebacks of one frame; function after them, for the groups that tracemalloc does not have.
auto traceback(const Key& key) { return std::tie(key.file, key.line, key.function); }

struct GroupDiff {
    Group now;
    std::int64_t size_diff_bytes = 0;
    std::int64_t count_diff = 0;

    /// Of CPython's StatisticDiff._sort_key.
    [[nodiscard]] auto rank() const { return std::tuple(magnitude(size_diff_bytes), now.size_bytes, magnitude(count_diff), now.count); }

private:
    /// |value| without the overflow of the smallest one.
    static std::uint64_t magnitude(std::int64_t value) {
        return value < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
    }
};

GroupDiff difference(Group&& now, std::uint64_t size_before, std::uint64_t count_before) {
    const auto size_diff = static_cast<std::int64_t>(now.size_bytes - size_before);
    const auto count_diff = static_cast<std::int64_t>(now.count - count_before);
    return GroupDiff{std::move(now), size_diff, count_diff};
}

std::vector<GroupDiff> differences(std::vector<Group> old_groups, std::vector<Group> new_groups) {
    std::unordered_map<Key, Group*, KeyHash> vanished;
    for (Group& group : old_groups) vanished.emplace(group.key, &group);
    std::vector<GroupDiff> diffs;
    for (Group& group : new_groups) {
        const auto before = vanished.find(group.key);
        if (before == vanished.end()) {
            diffs.push_back(difference(std::move(group), 0, 0));
        } else {
            diffs.push_back(difference(std::move(group), before->second->size_bytes, before->second->count));
            vanished.erase(before);
        }
    }
    for (auto& [key, group] : vanished) {
        const std::uint64_t size_before = std::exchange(group->size_bytes, 0);
        const std::uint64_t count_before = std::exchange(group->count, 0);
        diffs.push_back(difference(std::move(*group), size_before, count_before));
    }
    return diffs;
}

}  // namespace

std::vector<Statistic> statistics_by_line(const Snapshot& snapshot, const View& view) {
    std::vector<Group> groups = group_by_line(snapshot, view);
    std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
        if (a.size_bytes != b.size_bytes) return a.size_bytes > b.size_bytes;
        if (a.count != b.count) return a.count > b.count;
        return traceback(a.key) > traceback(b.key);
    });
    std::vector<Statistic> statistics;
    statistics.reserve(groups.size());
    for (Group& group : groups) statistics.push_back(to_statistic(std::move(group)));
    return statistics;
}

std::vector<StatisticDiff> compare_by_line(const Snapshot& before, const Snapshot& after, const View& view) {
    std::vector<GroupDiff> diffs = differences(group_by_line(before, view), group_by_line(after, view));
    std::sort(diffs.begin(), diffs.end(), [](const GroupDiff& a, const GroupDiff& b) {
        const auto rank_a = a.rank(), rank_b = b.rank();
        return rank_a != rank_b ? rank_a > rank_b : traceback(a.now.key) > traceback(b.now.key);
    });
    std::vector<StatisticDiff> statistics;
    statistics.reserve(diffs.size());
    for (GroupDiff& diff : diffs) {
        statistics.push_back(StatisticDiff{to_statistic(std::move(diff.now)), diff.size_diff_bytes, diff.count_diff});
    }
    return statistics;
}

}  // namespace memtrace
