#include "format/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace memtrace {
namespace {

/// CPython's _format_size, whose quirks are the contract: a unit is kept below 10 240 of it, and bytes never get a decimal.
/// Exact up to 2^53 bytes, as Python is.
template <typename Number>
std::string format_scaled(Number size_bytes, bool sign) {
    constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
    auto size = static_cast<double>(size_bytes);
    std::size_t unit = 0;
    while (std::fabs(size) >= 10 * 1024 && unit + 1 < kUnits.size()) {
        size /= 1024;
        ++unit;
    }
    const int decimals = std::fabs(size) < 100 && unit != 0 ? 1 : 0;
    return sign ? fmt::format("{:+.{}f} {}", size, decimals, kUnits[unit]) : fmt::format("{:.{}f} {}", size, decimals, kUnits[unit]);
}

std::string average(const Statistic& row) { return format_scaled(static_cast<double>(row.size_bytes) / static_cast<double>(row.count), false); }

std::string rate(std::int64_t bytes, std::chrono::nanoseconds interval) {
    return format_scaled(static_cast<double>(bytes) / std::chrono::duration<double>(interval).count(), true) + "/s";
}

std::string named(const char* name, const std::string& value) { return value.empty() ? "" : name + value; }

/// `diff`: of the same row; null: there is nothing to compare with.
std::string column_text(Column column, const Statistic& row, const StatisticDiff* diff, const LineFormat& format) {
    switch (column) {
        case Column::size: return "size=" + format_size(row.size_bytes) + (diff ? " (" + format_size_diff(diff->size_diff_bytes) + ")" : "");
        case Column::count: return fmt::format("count={}", row.count) + (diff ? fmt::format(" ({:+})", diff->count_diff) : "");
        case Column::average: return row.count ? "average=" + average(row) : "";
        case Column::allocated: return "allocated=" + format_size(row.counters.allocated_bytes);
        case Column::freed: return "freed=" + format_size(row.counters.freed_bytes);
        case Column::rate:
            if (format.interval.count() <= 0) return {};
            return "rate=" + rate(diff ? diff->size_diff_bytes : static_cast<std::int64_t>(row.size_bytes), format.interval);
        case Column::age: return row.oldest ? "age=" + format_duration(*row.oldest) : "";
        case Column::domain: return "domain=" + row.domains;
        case Column::temporary: return row.temporaries_known ? fmt::format("temporary={}", row.counters.temporary_blocks) : "temporary=not counted";
        case Column::alloc_rate: return named("alloc-rate=", format_rate((diff ? diff->since : row.counters).allocated_blocks, format.interval));
        case Column::free_rate: return named("free-rate=", format_rate((diff ? diff->since : row.counters).freed_blocks, format.interval));
        case Column::byte_rate: return named("byte-rate=", format_byte_rate((diff ? diff->since : row.counters).allocated_bytes, format.interval));
        case Column::function: return row.function.empty() ? "" : fmt::format("function={}", row.function);
    }
    return {};
}

std::string line_of(const Statistic& row, const StatisticDiff* diff, const LineFormat& format) {
    std::string line = format_place(row, format.filename_parts);
    const char* between = ": ";
    for (const Column column : format.columns) {
        const std::string text = column_text(column, row, diff, format);
        if (text.empty()) continue;
        line += std::exchange(between, ", ") + text;
    }
    return line;
}

std::string process_text(const Statistic& row) {
    const Process* process = row.process();
    return process ? fmt::format("pid {}", process->pid) : "pid unknown";
}

std::string in_brackets(std::string_view name) { return name.empty() ? "" : fmt::format(" ({})", name); }

bool is_control(std::string_view character) {
    const auto first = static_cast<unsigned char>(character[0]);
    if (character.size() == 1) return first < 0x20 || first == 0x7f;
    if (character.size() == 2 && first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0) return true;
    // Marks, embeddings, overrides and isolates of bidirectional text, which show a name as another one; ends of lines and paragraphs.
    if (character == "\xd8\x9c") return true;
    return (character >= "\xe2\x80\x8e" && character <= "\xe2\x80\x8f") || (character >= "\xe2\x80\xa8" && character <= "\xe2\x80\xae") ||
           (character >= "\xe2\x81\xa6" && character <= "\xe2\x81\xa9");
}

}  // namespace

std::string format_size(std::uint64_t size_bytes) { return format_scaled(size_bytes, false); }

std::string format_size_diff(std::int64_t size_bytes) { return format_scaled(size_bytes, true); }

std::string format_rate(std::uint64_t count, std::chrono::nanoseconds interval) {
    if (interval.count() <= 0) return {};
    const double rate = static_cast<double>(count) / std::chrono::duration<double>(interval).count();
    return fmt::format("{:.{}f}/s", rate, rate >= 100 || count == 0 ? 0 : rate >= 10 ? 1 : 2);
}

std::string format_byte_rate(std::uint64_t bytes, std::chrono::nanoseconds interval) {
    if (interval.count() <= 0) return {};
    return format_scaled(static_cast<double>(bytes) / std::chrono::duration<double>(interval).count(), false) + "/s";
}

std::string format_symbol(std::string_view file, std::string_view function) { return fmt::format("{}({})", file, function); }

std::string format_duration(std::chrono::nanoseconds time) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
    if (seconds < 60) return fmt::format("{:.1f} s", std::chrono::duration<double>(time).count());
    if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
    return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

std::string_view last_path_parts(std::string_view path, unsigned parts) {
    if (parts == 0) return path;
    std::size_t at = path.size();
    for (unsigned i = 0; i < parts; ++i) {
        const std::size_t slash = at ? path.rfind('/', at - 1) : std::string_view::npos;
        if (slash == std::string_view::npos) return path;
        at = slash;
    }
    return path.substr(at + 1);
}

std::string format_place(const Statistic& row, unsigned filename_parts) {
    const std::string_view file = last_path_parts(row.place.file, filename_parts);
    switch (row.by) {
        case GroupBy::line:
        case GroupBy::file:
        case GroupBy::traceback: return fmt::format("{}:{}", row.place.by_function ? format_symbol(file, row.place.function) : file, row.place.line);
        case GroupBy::function: return row.place.by_function ? format_symbol(file, row.place.function) : std::string(file);
        case GroupBy::domain: return row.snapshot->text(row.site->domain);
        case GroupBy::process: return process_text(row) + in_brackets(row.process() ? row.process()->command : "");
        case GroupBy::thread:
            return (row.snapshot->processes.size() > 1 ? process_text(row) + " " : "") + fmt::format("thread {}", row.site->thread) +
                   in_brackets(row.snapshot->text(row.site->thread_name));
    }
    return {};
}

std::string format_line(const Statistic& row, const LineFormat& format) { return line_of(row, nullptr, format); }

std::string format_line(const StatisticDiff& row, const LineFormat& format) { return line_of(row.now, &row, format); }

std::vector<std::string> format_user_data(const Snapshot& now, const Snapshot* before) {
    std::vector<std::string> lines;
    for (const UserDatum& datum : now.user_data) {
        const bool size = datum.format == "size";
        std::string line = fmt::format("{}: {}", datum.title, size ? format_scaled(datum.value, false) : std::to_string(datum.value));
        const auto same = [&](const UserDatum& other) { return other.title == datum.title && other.format == datum.format; };
        if (before) {
            const auto earlier = std::find_if(before->user_data.begin(), before->user_data.end(), same);
            if (earlier != before->user_data.end()) {
                const auto change = static_cast<std::int64_t>(static_cast<std::uint64_t>(datum.value) - static_cast<std::uint64_t>(earlier->value));
                line += size ? fmt::format(" ({})", format_size_diff(change)) : fmt::format(" ({:+})", change);
            }
        }
        lines.push_back(std::move(line));
    }
    return lines;
}

std::string printable(std::string_view text) {
    std::string safe;
    while (!text.empty()) {
        const std::size_t valid = utf8_character_bytes(text);
        const std::string_view character = text.substr(0, valid == 0 ? 1 : valid);
        if (valid != 0 && !is_control(character)) {
            safe += character;
        } else {
            for (const char byte : character) safe += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
        }
        text.remove_prefix(character.size());
    }
    return safe;
}

}  // namespace memtrace
