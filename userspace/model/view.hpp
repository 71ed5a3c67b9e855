// How a snapshot is looked at: which blocks count, what belongs together.
#pragma once

#include <chrono>
#include <cstdint>

#include "model/filter.hpp"
#include "model/snapshot.hpp"
#include "model/stack.hpp"
#include "util/result.hpp"

namespace memtrace {

/// What makes blocks belong together.
enum class GroupBy {
    line,       ///< Of the newest frame; native code without lines: its function.
    file,       ///< Of the newest frame.
    traceback,  ///< All frames.
    function,   ///< Of the newest frame, with its file.
    domain,
    process,
    thread,  ///< Needs Snapshot::threads_apart.
};

/// Which blocks are counted.
enum class Counted { live, allocated, freed };

/// Bounds of what single blocks count: need Snapshot::has_blocks.
struct BlockBounds {
    std::uint64_t min_size_bytes = 0;
    std::uint64_t max_size_bytes = ~std::uint64_t{0};  ///< Inclusive.
    std::chrono::milliseconds older{};                 ///< No younger block counts. One up to a sixteenth older may not: model/age.hpp.
    [[nodiscard]] bool holds(const BlockGroup& blocks) const {
        return blocks.size_bytes >= min_size_bytes && blocks.size_bytes <= max_size_bytes && age_of(blocks.age) >= older;
    }
    [[nodiscard]] bool any() const { return *this != BlockBounds(); }
    bool operator==(const BlockBounds&) const = default;
};

/// As it is by default, tracemalloc would show the same.
struct View {
    Filters filters;
    Lines lines = Lines::python;
    GroupBy by = GroupBy::line;
    bool cumulative = false;  ///< A block counts for every frame of its stack, as often as it is there.
    Counted counted = Counted::live;
    BlockBounds blocks;
    bool histograms = false;  ///< Groups tell how the sizes and ages of their blocks are spread: needs Snapshot::has_blocks.
    bool operator==(const View&) const = default;
};

/// Why such a view makes no sense, of whatever snapshot.
Result<void> check(const View& view);
/// Why there is no such view of this snapshot.
Result<void> check(const View& view, const Snapshot& snapshot);

/// "line", "file", …: the option's word.
const char* name_of(GroupBy by);

}  // namespace memtrace
