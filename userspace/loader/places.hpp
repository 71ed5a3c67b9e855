// The probes of all processes of a trace, numbered: processes that run the same file share the number, and so the count of hits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "probes/plan.hpp"

namespace memtrace {

class Places {
public:
    /// The number of a probe that stands where `probe` would stand, a new one if there is none. `taken`: numbers that the same process
    /// has given to other probes. Nothing: all MT_MAX_PLACES numbers are in use.
    std::optional<std::uint32_t> number(const PlannedProbe& probe, const std::vector<std::uint32_t>& taken) {
        for (std::uint32_t i = 0; i < probes_.size(); ++i)
            if (same(probes_[i], probe) && std::find(taken.begin(), taken.end(), i) == taken.end()) return i;
        if (probes_.size() >= MT_MAX_PLACES) return std::nullopt;
        probes_.push_back(probe);
        return static_cast<std::uint32_t>(probes_.size() - 1);
    }
    [[nodiscard]] const std::vector<PlannedProbe>& probes() const { return probes_; }

private:
    static bool same(const PlannedProbe& a, const PlannedProbe& b) {
        return a.offset == b.offset && a.file == b.file && a.hook == b.hook && a.shape == b.shape && a.domain == b.domain &&
               a.redirect == b.redirect && a.site.instruction == b.site.instruction && a.site.emulated == b.site.emulated;
    }
    std::vector<PlannedProbe> probes_;
};

}  // namespace memtrace
