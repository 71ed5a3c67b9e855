#include "screen/history.hpp"

#include <algorithm>
#include <string_view>

namespace memtrace::cli::screen {

std::string sparkline(std::span<const std::optional<double>> values, bool unicode) {
    static constexpr std::array<std::string_view, 8> blocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static constexpr std::array<std::string_view, 8> ascii{"_", ".", ":", "-", "=", "+", "*", "#"};
    double least = 0, most = 0;
    bool any = false;
    for (const std::optional<double>& value : values) {
        if (!value) continue;
        least = any ? std::min(least, *value) : *value;
        most = any ? std::max(most, *value) : *value;
        any = true;
    }
    std::string text;
    for (const std::optional<double>& value : values) {
        if (!value) {
            text += ' ';
            continue;
        }
        const double height = most > least ? (*value - least) / (most - least) : 0;
        text += (unicode ? blocks : ascii)[static_cast<std::size_t>(height * 7 + 0.5)];
    }
    return text;
}

void History::add(Sample sample) {
    constexpr std::size_t most = 4096;
    if (!samples_.empty() && sample.time < samples_.back().time) samples_.clear();  // the clock was set back, or another trace is shown
    samples_.push_back(sample);
    if (samples_.size() > most) samples_.pop_front();
}

std::vector<std::optional<double>> History::columns(std::size_t columns, std::chrono::nanoseconds time) const {
    std::vector<std::optional<double>> values(columns);
    if (samples_.empty() || columns == 0) return values;
    const auto end = samples_.back().time;
    const double part = std::chrono::duration<double>(time).count() / static_cast<double>(columns);
    std::optional<double> before;
    std::vector<bool> filled(columns);
    for (const Sample& sample : samples_) {
        const auto back = static_cast<std::size_t>(std::chrono::duration<double>(end - sample.time).count() / part);
        const auto bytes = static_cast<double>(sample.bytes);
        if (back >= columns) {
            before = bytes;
            continue;
        }
        values[columns - 1 - back] = bytes;
        filled[columns - 1 - back] = true;
    }
    for (std::size_t i = 0; i < columns; ++i) {
        if (!filled[i]) values[i] = before;
        before = values[i];
    }
    return values;
}

void RowHistory::begin() {
    ++generation_;
    if (rows_.size() <= 2 * most_rows) return;
    std::erase_if(rows_, [this](const auto& entry) { return entry.second.generation + 1 < generation_; });
}

void RowHistory::add(std::uint64_t key, std::uint64_t bytes) {
    Row& row = rows_[key];
    if (row.generation + 1 != generation_) row.count = 0;
    row.generation = generation_;
    row.bytes[row.count++ % values] = static_cast<float>(bytes);
}

std::array<std::optional<double>, RowHistory::values> RowHistory::of(std::uint64_t key) const {
    std::array<std::optional<double>, values> all;
    const auto known = rows_.find(key);
    if (known == rows_.end() || known->second.generation != generation_) return all;
    const Row& row = known->second;
    const std::size_t have = std::min<std::size_t>(row.count, values);
    for (std::size_t i = 0; i < have; ++i) all[values - have + i] = row.bytes[(row.count - have + i) % values];
    return all;
}

}  // namespace memtrace::cli::screen
