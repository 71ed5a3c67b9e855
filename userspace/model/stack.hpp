// The frames a site is shown by, in the order of a traceback.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>

#include "model/snapshot.hpp"

namespace memtrace {

/// Which frames of a stack are shown.
enum class Lines {
    python,  ///< The Python ones, as tracemalloc would; all where there are none.
    native,  ///< The native ones first, which are the newer ones; then the Python ones.
    mixed,   ///< The same without the interpreter's own: native ones down to its newest evaluation loop, in whose place the Python ones stand.
};

/// Whether a native function is an interpreter's evaluation loop, which runs Python code; `function` as in Frame.
[[nodiscard]] bool evaluates_python(std::string_view function);
/// How many of `frames`, newest first, were called by the newest evaluation loop; all when there is none.
[[nodiscard]] std::size_t first_evaluation(const Snapshot& snapshot, std::span<const FrameId> frames);

/// Newest frame first. Refers to the site.
class Stack {
public:
    Stack(const Snapshot& snapshot, const Site& site, Lines lines) {
        const std::span<const FrameId> all(site.frames);
        const auto native = std::find_if(all.begin(), all.end(), [&](FrameId id) { return !snapshot.frame(id).python; });
        const auto python = all.first(static_cast<std::size_t>(native - all.begin()));
        if (lines != Lines::python || python.empty()) {
            newer_ = all.subspan(python.size());
            older_ = python;
            if (lines == Lines::mixed && !python.empty()) newer_ = newer_.first(first_evaluation(snapshot, newer_));
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
