#include "model/statistics.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "model/first_rows.hpp"
#include "util/utf8.hpp"

namespace memtrace {
namespace {

std::strong_ordering operator<=>(const Place& a, const Place& b) {
    if (const auto files = compare_as_python(a.file, b.file); files != 0) return files;
    if (a.line != b.line) return a.line <=> b.line;
    return compare_as_python(a.function, b.function);
}

using Group = Aggregation::Group;

std::strong_ordering compare_keys(const Group& a, const Group& b, const View& view) {
    const auto process = [](const Group& group) {
        const bool known = group.site->process < group.snapshot->processes.size();
        const Process none, &found = known ? group.snapshot->processes[group.site->process] : none;
        return std::tuple(found.pid, found.start_time_ticks);
    };
    switch (view.by) {
        case GroupBy::line:
        case GroupBy::file:
        case GroupBy::function: return place_of(*a.snapshot, a.frame, view.by) <=> place_of(*b.snapshot, b.frame, view.by);
        case GroupBy::traceback: break;  // StackOrder
        case GroupBy::domain: return a.snapshot->text(a.site->domain) <=> b.snapshot->text(b.site->domain);
        case GroupBy::process: return process(a) <=> process(b);
        case GroupBy::thread: return std::tuple(process(a), a.site->thread) <=> std::tuple(process(b), b.site->thread);
    }
    return std::strong_ordering::equal;
}

/// Compares groups by traceback. Names are compared once a place, not once a comparison: a million stacks share few places.
class StackOrder {
public:
    StackOrder(const Aggregation& all, const View& view) : all_(all) {
        if (view.by != GroupBy::traceback) return;
        const std::vector<Place> places = all.places();
        std::vector<std::uint32_t> order(places.size());
        std::iota(order.begin(), order.end(), 0);
        std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return (places[a] <=> places[b]) < 0; });
        ranks_.resize(places.size());
        for (std::uint32_t rank = 0; rank < order.size(); ++rank) ranks_[order[rank]] = rank;
    }
    /// From the oldest frame on.
    [[nodiscard]] std::strong_ordering compare(std::size_t a, std::size_t b) const {
        const std::span<const std::uint32_t> stack_a = all_.stack_of(a), stack_b = all_.stack_of(b);
        return std::lexicographical_compare_three_way(stack_a.rbegin(), stack_a.rend(), stack_b.rbegin(), stack_b.rend(),
                                                      [this](std::uint32_t x, std::uint32_t y) { return ranks_[x] <=> ranks_[y]; });
    }

private:
    const Aggregation& all_;
    std::vector<std::uint32_t> ranks_;  ///< Of places.
};

/// Numbers of groups, those of the highest rank first, at most so many. Ranks lie beside the numbers: a million groups are compared twenty million
/// times.
template <typename Rank>
std::vector<std::size_t> ordered(const Aggregation& all, const View& view, Rank rank, std::size_t most = all_rows) {
    using Entry = std::pair<decltype(rank(0)), std::uint32_t>;
    std::vector<Entry> entries;
    entries.reserve(all.groups().size());
    for (std::uint32_t i = 0; i < all.groups().size(); ++i) entries.emplace_back(rank(i), i);
    const StackOrder stacks(all, view);
    const auto comes_first = [&](const Entry& a, const Entry& b) {
        if (a.first != b.first) return a.first > b.first;
        const std::uint32_t i = a.second, j = b.second;
        return (view.by == GroupBy::traceback ? stacks.compare(i, j) : compare_keys(all.groups()[i], all.groups()[j], view)) > 0;
    };
    if (most < entries.size() / 8) {
        std::partial_sort(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(most), entries.end(), comes_first);
        entries.resize(most);
    } else {
        std::sort(entries.begin(), entries.end(), comes_first);
        entries.resize(std::min(most, entries.size()));
    }
    std::vector<std::size_t> order;
    order.reserve(entries.size());
    for (const Entry& entry : entries) order.push_back(entry.second);
    return order;
}

StatisticDiff difference(const Aggregation& all, std::size_t after, std::size_t before, std::size_t index, const View& view) {
    const Sums &new_sums = all.sums(after, index), &old_sums = all.sums(before, index);
    return {statistic(all, after, index, view), static_cast<std::int64_t>(new_sums.size_bytes - old_sums.size_bytes),
            static_cast<std::int64_t>(new_sums.count - old_sums.count), new_sums.counters.since(old_sums.counters)};
}

/// |after - before|, of any two.
std::uint64_t distance(std::uint64_t after, std::uint64_t before) { return after > before ? after - before : before - after; }

template <typename Row, typename Rank>
void sort_by(std::vector<Row>& rows, Rank rank) {
    std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return rank(a) > rank(b); });
}

const Statistic& now(const Statistic& row) { return row; }
const Statistic& now(const StatisticDiff& row) { return row.now; }
const Counters& recent(const Statistic& row) { return row.counters; }
const Counters& recent(const StatisticDiff& row) { return row.since; }

template <typename Row>
void sort_rows(std::vector<Row>& rows, Order order) {
    switch (order) {
        case Order::size: return sort_by(rows, [](const Row& row) { return std::tuple(now(row).size_bytes, now(row).count); });
        case Order::count: return sort_by(rows, [](const Row& row) { return now(row).count; });
        case Order::diff: return;
        case Order::alloc: return sort_by(rows, [](const Row& row) { return now(row).counters.allocated_bytes; });
        case Order::freed: return sort_by(rows, [](const Row& row) { return now(row).counters.freed_bytes; });
        case Order::age: return sort_by(rows, [](const Row& row) { return now(row).oldest; });
        case Order::temporary: return sort_by(rows, [](const Row& row) { return now(row).counters.temporary_blocks; });
        case Order::alloc_rate: return sort_by(rows, [](const Row& row) { return recent(row).allocated_blocks; });
        case Order::free_rate: return sort_by(rows, [](const Row& row) { return recent(row).freed_blocks; });
    }
}

}  // namespace

Statistic statistic(const Aggregation& all, std::size_t column, std::size_t index, const View& view) {
    const Group& group = all.groups()[index];
    const Sums& sums = all.sums(column, index);
    const bool of_frame = view.by == GroupBy::line || view.by == GroupBy::function || view.by == GroupBy::traceback;
    Statistic row;
    if (of_frame || view.by == GroupBy::file) row.place = place_of(*group.snapshot, group.frame, view.by);
    if (of_frame) row.function = row.place.by_function ? row.place.function : group.snapshot->text(group.snapshot->frame(group.frame).function);
    row.domains = all.domains(index);
    row.size_bytes = sums.size_bytes;
    row.count = sums.count;
    row.counters = sums.counters;
    row.temporaries_known = all.snapshot(column).has_temporaries;
    if (view.histograms) row.histograms = all.histograms(column, index);
    if (sums.oldest) row.oldest = age_of(*sums.oldest);
    row.by = view.by;
    row.lines = view.lines;
    row.snapshot = group.snapshot;
    row.site = group.site;
    return row;
}

std::vector<Statistic> statistics(const Snapshot& snapshot, const View& view) { return first_statistics(snapshot, view, all_rows); }

std::vector<Statistic> first_statistics(const Snapshot& snapshot, const View& view, std::size_t most) {
    Aggregation all(view);
    all.add(snapshot);
    const auto rank = [&](std::size_t i) { return std::tuple(all.sums(0, i).size_bytes, all.sums(0, i).count); };
    const std::vector<std::size_t> order = ordered(all, view, rank, most);
    std::vector<Statistic> rows;
    rows.reserve(order.size());
    for (const std::size_t i : order) rows.push_back(statistic(all, 0, i, view));
    return rows;
}

std::vector<StatisticDiff> compare(const Snapshot& before, const Snapshot& after, const View& view) {
    return first_differences(before, after, view, all_rows);
}

std::vector<StatisticDiff> first_differences(const Snapshot& before, const Snapshot& after, const View& view, std::size_t most) {
    Aggregation all(view);
    all.add(after);
    all.add(before);
    // Of CPython's StatisticDiff._sort_key.
    const auto rank = [&](std::size_t i) {
        const Sums &new_sums = all.sums(0, i), &old_sums = all.sums(1, i);
        return std::tuple(distance(new_sums.size_bytes, old_sums.size_bytes), new_sums.size_bytes, distance(new_sums.count, old_sums.count),
                          new_sums.count);
    };
    const std::vector<std::size_t> order = ordered(all, view, rank, most);
    std::vector<StatisticDiff> rows;
    rows.reserve(order.size());
    for (const std::size_t i : order) rows.push_back(difference(all, 0, 1, i, view));
    return rows;
}

std::vector<Growth> growth(std::span<const Snapshot> snapshots, const View& view) {
    Aggregation all(view);
    // The last one first: it gives the groups their names.
    for (auto snapshot = snapshots.rbegin(); snapshot != snapshots.rend(); ++snapshot) all.add(*snapshot);
    const std::size_t last = snapshots.size() - 1;
    const auto size_at = [&](std::size_t moment, std::size_t group) { return all.sums(last - moment, group).size_bytes; };
    const auto rank = [&](std::size_t i) { return std::tuple(size_at(last, i) - std::min(size_at(0, i), size_at(last, i)), size_at(last, i)); };
    std::vector<Growth> rows;
    for (const std::size_t i : ordered(all, view, rank)) {
        Growth row;
        for (std::size_t moment = 0; moment <= last; ++moment) row.sizes.push_back(size_at(moment, i));
        if (std::ranges::adjacent_find(row.sizes, std::ranges::greater_equal{}) != row.sizes.end()) continue;
        row.diff = difference(all, 0, last, i, view);
        rows.push_back(std::move(row));
    }
    return rows;
}

std::chrono::nanoseconds interval_of(std::span<const Snapshot> snapshots) {
    return snapshots.size() > 1 ? snapshots.back().time - snapshots.front().time : snapshots.back().traced_for;
}

BlockHistograms histograms(const Snapshot& snapshot, View view) {
    view.histograms = true;
    view.by = GroupBy::domain;  // the fewest groups
    view.cumulative = false;
    BlockHistograms sum;
    for (const Statistic& row : statistics(snapshot, view)) sum += row.histograms;
    return sum;
}

void sort(std::vector<Statistic>& rows, Order order) { sort_rows(rows, order); }

void sort(std::vector<StatisticDiff>& rows, Order order) { sort_rows(rows, order); }

}  // namespace memtrace
