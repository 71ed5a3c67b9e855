// Groups a snapshot's live blocks by line, as tracemalloc does (CPython Lib/tracemalloc.py is the contract).
#pragma once

#include <string>
#include <vector>

#include "model/filter.hpp"
#include "model/snapshot.hpp"

namespace memtrace {

/// One group of live blocks. Ordering follows tracemalloc: (size, count, traceback) descending; file names compare as bytes,
/// which is Python's order of code points for UTF-8.
struct Statistic {
    std::string file;  ///< "<unknown>" with line 0 where no frame is known.
    std::uint32_t line = 0;
    std::string function;      ///< Of the first such frame seen; for display only, unless by_function.
    bool by_function = false;  ///< The key is (file, function): native code of which no line is known, told apart by symbol.
    std::string domains;       ///< Names of the domains in the group, sorted, joined by ','; for display only.
    std::uint64_t size_bytes = 0;
    std::uint64_t count = 0;
    bool operator==(const Statistic&) const = default;
};

/// What changed in one group between two snapshots. `now` holds the new values (0 when the group vanished, which keeps its names).
struct StatisticDiff {
    Statistic now;
    std::int64_t size_diff_bytes = 0;
    std::int64_t count_diff = 0;
    bool operator==(const StatisticDiff&) const = default;
};

/// The frame that a block is shown by.
enum class Lines {
    python,  ///< The newest one: the Python line where there is one.
    native,  ///< The newest native one, also of blocks allocated below Python code; the newest one where no native frame is known.
};

/// How a snapshot is looked at. As it is by default, tracemalloc would show the same.
struct View {
    std::vector<DomainFilter> filters;  ///< Other blocks do not count (passes()).
    Lines lines = Lines::python;
    bool operator==(const View&) const = default;
};

/// Live blocks by (file, line) of the frame they are shown by; groups without live blocks are left out. `.pyc` is read as `.py`.
/// Indexes of the snapshot must be in range (those of decode_snapshot() and Interner are).
std::vector<Statistic> statistics_by_line(const Snapshot& snapshot, const View& view = {});

/// Compares by line, both snapshots in the same view, unchanged groups included; order (|size diff|, size, |count diff|, count, traceback)
/// descending.
std::vector<StatisticDiff> compare_by_line(const Snapshot& before, const Snapshot& after, const View& view = {});

}  // namespace memtrace
