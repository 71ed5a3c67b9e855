// What was held over time: of the whole trace for the header, of single rows for their trends. Bounded in memory.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace memtrace::cli::screen {

/// One character a value: the height says where it lies between the smallest and the largest; empty ones are blank.
std::string sparkline(std::span<const std::optional<double>> values, bool unicode);

/// What was traced, up to 4096 refreshes back.
class History {
public:
    struct Sample {
        std::chrono::sys_time<std::chrono::nanoseconds> time{};
        std::uint64_t bytes = 0;
    };
    void add(Sample sample);
    [[nodiscard]] const std::deque<Sample>& samples() const { return samples_; }
    /// The latest value in each of `columns` equal parts of the time up to the newest sample; where a part has none, that before it; none
    /// before the first.
    [[nodiscard]] std::vector<std::optional<double>> columns(std::size_t columns, std::chrono::nanoseconds time) const;

private:
    std::deque<Sample> samples_;
};

/// The last sizes of the rows that were shown first. Rows beyond `most_rows` have none.
class RowHistory {
public:
    static constexpr std::size_t values = 10;
    static constexpr std::size_t most_rows = 4096;

    /// A refresh begins: rows that are not added in it have no trend any more.
    void begin();
    /// `key`: a hash that tells the row.
    void add(std::uint64_t key, std::uint64_t bytes);
    void clear() { rows_.clear(); }
    /// Oldest first, blank where it is younger.
    [[nodiscard]] std::array<std::optional<double>, values> of(std::uint64_t key) const;

private:
    struct Row {
        std::array<float, values> bytes{};
        std::uint32_t count = 0;       ///< Of all values so far.
        std::uint32_t generation = 0;  ///< In which it was last seen.
    };
    std::unordered_map<std::uint64_t, Row> rows_;
    std::uint32_t generation_ = 0;
};

}  // namespace memtrace::cli::screen
