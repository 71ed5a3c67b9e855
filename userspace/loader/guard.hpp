// --max-overhead: what tracing costs may not stay above a limit. Decides which probes have to go; who removes them is the session.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "loader/traced_process.hpp"

namespace memtrace {

/// What one group of probes cost over the observations that led to its removal.
struct TooCostly {
    std::size_t group = 0;
    double share = 0;        ///< Of one core, this group alone: 0.34 = 34 %.
    double total_share = 0;  ///< Of all groups.
    bool operator==(const TooCostly&) const = default;
};

class OverheadGuard {
public:
    /// A burst is no reason: the estimate has to be above the limit in so many observations in a row.
    static constexpr unsigned patience = 3;

    /// `limit`: share of one core, above 0.
    explicit OverheadGuard(double limit) : limit_(limit) {}

    /// To be called about once a second. `spent_ns`: estimated cost since the beginning, by group (hits times calibrated cost); a group
    /// that was removed stays as it is. Returns the most expensive group when the limit has been exceeded for long enough.
    std::optional<TooCostly> observe(std::chrono::nanoseconds since_begin, const std::vector<double>& spent_ns);

private:
    double limit_;
    std::chrono::nanoseconds before_{};
    std::vector<double> spent_before_;
    std::vector<double> excess_;  ///< By group, over the observations above the limit.
    std::chrono::nanoseconds excess_time_{};
    unsigned exceeded_ = 0;
};

/// One sentence for the reports: what is not seen any more, since when, and why. `limit_percent`: of one core.
std::string dropped_note(ProbeGroup group, const TooCostly& cost, double limit_percent, std::chrono::system_clock::time_point now);

}  // namespace memtrace
