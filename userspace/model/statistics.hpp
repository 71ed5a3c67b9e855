// Statistics of a snapshot and differences of two, as tracemalloc makes them (CPython Lib/tracemalloc.py is the contract).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/aggregation.hpp"
#include "model/view.hpp"

namespace memtrace {

/// One group of blocks. Refers to the snapshot it was made from, which must outlive it.
struct Statistic {
    Place place;                ///< By line, file or function: what they share. By traceback: of its oldest frame.
    std::string_view function;  ///< Of one such frame; for display only, unless place.by_function. Empty by file, domain, process, thread.
    std::string domains;        ///< Names of the domains in the group, sorted, joined by ','; for display only, unless by domain.
    std::uint64_t size_bytes = 0;
    std::uint64_t count = 0;
    Counters counters;                                ///< Of all blocks of the group.
    bool temporaries_known = false;                   ///< Whether the counters tell them.
    BlockHistograms histograms;                       ///< Empty unless the view wants them.
    std::optional<std::chrono::milliseconds> oldest;  ///< Age of its oldest block, a sixteenth older at most; none: not known.
    GroupBy by = GroupBy::line;
    Lines lines = Lines::python;
    const Snapshot* snapshot = nullptr;
    const Site* site = nullptr;  ///< One of its sites: has the traceback, the process, the thread where they are the key.

    [[nodiscard]] Stack stack() const { return {*snapshot, *site, lines}; }
    /// None where the snapshot lists none.
    [[nodiscard]] const Process* process() const {
        return site->process < snapshot->processes.size() ? &snapshot->processes[site->process] : nullptr;
    }
};

/// What changed in one group between two snapshots. `now` holds the new values (0 when the group vanished, which keeps its names).
struct StatisticDiff {
    Statistic now;
    std::int64_t size_diff_bytes = 0;
    std::int64_t count_diff = 0;
    Counters since;  ///< What was allocated and freed between the two (Counters::since()).
};

/// What rates are for: the time between the first snapshot and the last, of a single one the time that was traced. At least one.
std::chrono::nanoseconds interval_of(std::span<const Snapshot> snapshots);

/// Of all blocks that count, whatever the groups.
BlockHistograms histograms(const Snapshot& snapshot, View view);

/// How one group developed over several snapshots.
struct Growth {
    StatisticDiff diff;                ///< Of the last snapshot to the first.
    std::vector<std::uint64_t> sizes;  ///< In each snapshot.
};

/// Groups without blocks that count are left out. Ordered by (size, count, key) descending; tracebacks compare from the oldest
/// frame on, frames by file, line and function, names as Python compares them.
std::vector<Statistic> statistics(const Snapshot& snapshot, const View& view = {});
std::vector<Statistic> statistics(Snapshot&&, const View& = {}) = delete;

/// Both snapshots in the same view, unchanged groups included; order (|size diff|, size, |count diff|, count, key) descending.
std::vector<StatisticDiff> compare(const Snapshot& before, const Snapshot& after, const View& view = {});

/// Groups whose size grew from each snapshot to the next, ordered by (total growth, size, key) descending. At least two snapshots.
std::vector<Growth> growth(std::span<const Snapshot> snapshots, const View& view = {});

/// One group of an aggregation, with what it holds in one of its snapshots. `view`: that of the aggregation.
Statistic statistic(const Aggregation& all, std::size_t column, std::size_t group, const View& view);

/// What comes first. Equal ones stay in the order of statistics() or compare().
enum class Order {
    size,  ///< By (size, count, key).
    count,
    diff,   ///< As compare() has it. Of single snapshots: not possible, as if it were `size`.
    alloc,  ///< Bytes allocated since tracing began.
    freed,
    age,         ///< That of the oldest block.
    temporary,   ///< Blocks.
    alloc_rate,  ///< Blocks allocated in the time that is looked at: since tracing began, or between two snapshots.
    free_rate,   ///< Likewise.
};

void sort(std::vector<Statistic>& rows, Order order);
void sort(std::vector<StatisticDiff>& rows, Order order);

}  // namespace memtrace
