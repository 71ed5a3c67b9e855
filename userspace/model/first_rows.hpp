// The first rows of statistics and differences alone: to put all of a million stacks in order takes longer than to read them.
#pragma once

#include "model/statistics.hpp"

namespace memtrace {

inline constexpr std::size_t all_rows = ~std::size_t{0};

/// At most `most` rows of statistics(), the first ones.
std::vector<Statistic> first_statistics(const Snapshot& snapshot, const View& view, std::size_t most);
std::vector<Statistic> first_statistics(Snapshot&&, const View&, std::size_t) = delete;

/// At most `most` rows of compare(), the first ones.
std::vector<StatisticDiff> first_differences(const Snapshot& before, const Snapshot& after, const View& view, std::size_t most);

}  // namespace memtrace
