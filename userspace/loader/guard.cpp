#include "loader/guard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <numeric>

namespace memtrace {

std::optional<TooCostly> OverheadGuard::observe(std::chrono::nanoseconds since_begin, const std::vector<double>& spent_ns) {
    const std::chrono::nanoseconds time = since_begin - before_;
    if (time.count() <= 0) return std::nullopt;
    std::vector<double> spent = spent_ns;
    spent_before_.resize(spent.size(), 0);
    for (std::size_t i = 0; i < spent.size(); ++i) spent[i] -= spent_before_[i];
    before_ = since_begin;
    spent_before_ = spent_ns;

    if (std::accumulate(spent.begin(), spent.end(), 0.0) <= limit_ * static_cast<double>(time.count())) {
        exceeded_ = 0;
        excess_.clear();
        excess_time_ = {};
        return std::nullopt;
    }
    excess_.resize(spent.size(), 0);
    for (std::size_t i = 0; i < spent.size(); ++i) excess_[i] += spent[i];
    excess_time_ += time;
    if (++exceeded_ < patience) return std::nullopt;

    const auto worst = std::max_element(excess_.begin(), excess_.end());
    const auto span = static_cast<double>(excess_time_.count());
    const TooCostly found{static_cast<std::size_t>(worst - excess_.begin()), *worst / span,
                          std::accumulate(excess_.begin(), excess_.end(), 0.0) / span};
    exceeded_ = 0;
    excess_.clear();
    excess_time_ = {};
    return found;
}

std::string dropped_note(ProbeGroup group, const TooCostly& cost, double limit_percent, std::chrono::system_clock::time_point now) {
    static constexpr const char* names[] = {"malloc and its kin", "mmap and munmap", "CPython's allocators (raw, mem, obj)"};
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    std::tm local{};
    localtime_r(&seconds, &local);
    return fmt::format(
        "{} are not traced since {:02}:{:02}:{:02}, what they held then is not followed further: their probes took {:.1f} % of a core, all together "
        "{:.1f} %, more than --max-overhead {:g}",
        names[static_cast<std::size_t>(group)], local.tm_hour, local.tm_min, local.tm_sec, 100 * cost.share, 100 * cost.total_share, limit_percent);
}

}  // namespace memtrace
