// Which of many nested code ranges is the innermost around an address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace memtrace {

/// Built once from [start, end) ranges that nest (compilation units, functions, inlined calls), then asked often.
/// Two words a boundary, one binary search an answer.
class RangeMap {
public:
    struct Range {
        std::uint64_t start = 0;
        std::uint64_t end = 0;
        std::uint32_t depth = 0;  ///< Of two ranges with the same start the deeper one is the inner one.
        std::uint64_t value = 0;
    };

    RangeMap() = default;
    /// Empty ranges are left out. A range that sticks out of the one it begins in is cut off at that one's end.
    explicit RangeMap(std::vector<Range> ranges);

    [[nodiscard]] std::optional<std::uint64_t> find(std::uint64_t address) const;

private:
    // From `start` up to the next boundary; kNone where there is no range.
    struct Boundary {
        std::uint64_t start;
        std::uint64_t value;
    };
    static constexpr std::uint64_t kNone = ~std::uint64_t{0};
    void mark(std::uint64_t start, std::uint64_t value);

    std::vector<Boundary> boundaries_;
};

}  // namespace memtrace
