// What a snapshot says in all, for the header of every display.
#pragma once

#include <cstdint>

#include "model/snapshot.hpp"

namespace memtrace::cli {

/// Of the processes whose memory is in use.
struct Totals {
    std::uint64_t rss_bytes = 0, traced_bytes = 0, blocks = 0;
    Counters counters;  ///< Of all sites, whoever runs on.
};

Totals totals_of(const Snapshot& snapshot);
/// The process whose peak was the highest. The snapshot has one process at least.
const Process& highest_peak(const Snapshot& snapshot);
/// Share of one core that tracing takes: since `before` where there is one, that is what it costs now; else on average.
double recent_cost(const Snapshot& now, const Snapshot* before);

}  // namespace memtrace::cli
