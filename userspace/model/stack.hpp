// The frames a site is shown by, in the order of a traceback.
#pragma once

#include <algorithm>
#include <span>

#include "model/snapshot.hpp"

namespace memtrace {

/// Which frames of a stack are shown.
enum class Lines {
    python,  ///< The Python ones, as tracemalloc would; all where there are none.
    native,  ///< The native ones first, which are the newer ones; then the Python ones.
};

/// Newest frame first. Refers to the site.
class Stack {
public:
    Stack(const Snapshot& snapshot, const Site& site, Lines lines) {
        const std::span<const FrameId> all(site.frames);
        const auto native = std::find_if(all.begin(), all.end(), [&](FrameId id) { return !snapshot.frame(id).python; });
        const auto python = all.first(static_cast<std::size_t>(native - all.begin()));
        if (lines == Lines::native || python.empty()) {
            newer_ = all.subspan(python.size());
            older_ = python;
        } else {
            newer_ = python;
        }
    }
    [[nodiscard]] std::size_t size() const { return newer_.size() + older_.size(); }
    [[nodiscard]] FrameId operator[](std::size_t i) const { return i < newer_.size() ? newer_[i] : older_[i - newer_.size()]; }
    [[nodiscard]] FrameId newest() const { return (*this)[0]; }
    [[nodiscard]] FrameId oldest() const { return (*this)[size() - 1]; }

private:
    std::span<const FrameId> newer_, older_;
};

}  // namespace memtrace
