#include "totals.hpp"

#include <algorithm>
#include <chrono>

namespace memtrace::cli {

Totals totals_of(const Snapshot& snapshot) {
    const std::vector<bool> counts = snapshot.processes_that_count();
    Totals totals;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (!counts[i]) continue;
        totals.rss_bytes += snapshot.processes[i].rss_bytes;
        totals.traced_bytes += snapshot.processes[i].traced_bytes;
    }
    for (const Site& site : snapshot.sites) {
        totals.counters += site.counters;
        if (site.process >= counts.size() || counts[site.process]) totals.blocks += site.counters.live_blocks();
    }
    return totals;
}

const Process& highest_peak(const Snapshot& snapshot) {
    return *std::max_element(snapshot.processes.begin(), snapshot.processes.end(),
                             [](const Process& a, const Process& b) { return a.traced_peak_bytes < b.traced_peak_bytes; });
}

double recent_cost(const Snapshot& now, const Snapshot* before) {
    if (!before) return now.tracing_cost;
    const double seconds = std::chrono::duration<double>(now.traced_for).count();
    const double earlier = std::chrono::duration<double>(before->traced_for).count();
    return std::max(0.0, now.tracing_cost * seconds - before->tracing_cost * earlier) / std::max(1e-3, seconds - earlier);
}

}  // namespace memtrace::cli
