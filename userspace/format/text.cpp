#include "format/text.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

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

std::string place(const Statistic& statistic) {
    const std::string file = statistic.by_function ? format_symbol(statistic.file, statistic.function) : statistic.file;
    return fmt::format("{}:{}", file, statistic.line);
}

std::string average(const Statistic& statistic) {
    if (statistic.count == 0) return {};
    const double bytes = static_cast<double>(statistic.size_bytes) / static_cast<double>(statistic.count);
    return ", average=" + format_scaled(bytes, false);
}

bool is_control(std::string_view character) {
    const auto first = static_cast<unsigned char>(character[0]);
    if (character.size() == 1) return first < 0x20 || first == 0x7f;
    return character.size() == 2 && first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

/// The range of the second byte and the length, by the first byte: table 3-7 of the Unicode standard. It leaves out overlong
/// forms, surrogates and what lies beyond U+10FFFF.
struct Utf8Row {
    unsigned char first_from, first_to, second_from, second_to;
    std::size_t bytes;
};
constexpr std::array<Utf8Row, 8> kUtf8Rows{{{0xc2, 0xdf, 0x80, 0xbf, 2},
                                            {0xe0, 0xe0, 0xa0, 0xbf, 3},
                                            {0xe1, 0xec, 0x80, 0xbf, 3},
                                            {0xed, 0xed, 0x80, 0x9f, 3},
                                            {0xee, 0xef, 0x80, 0xbf, 3},
                                            {0xf0, 0xf0, 0x90, 0xbf, 4},
                                            {0xf1, 0xf3, 0x80, 0xbf, 4},
                                            {0xf4, 0xf4, 0x80, 0x8f, 4}}};

}  // namespace

std::string format_size(std::uint64_t size_bytes) { return format_scaled(size_bytes, false); }

std::string format_size_diff(std::int64_t size_bytes) { return format_scaled(size_bytes, true); }

std::string format_symbol(std::string_view file, std::string_view function) { return fmt::format("{}({})", file, function); }

std::string format_line(const Statistic& statistic) {
    return fmt::format("{}: size={}, count={}{}", place(statistic), format_size(statistic.size_bytes), statistic.count, average(statistic));
}

std::string format_line(const StatisticDiff& diff) {
    return fmt::format("{}: size={} ({}), count={} ({:+}){}", place(diff.now), format_size(diff.now.size_bytes),
                       format_size_diff(diff.size_diff_bytes), diff.now.count, diff.count_diff, average(diff.now));
}

std::size_t utf8_character_bytes(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (text.empty()) return 0;
    if (byte(0) < 0x80) return 1;
    for (const Utf8Row& row : kUtf8Rows) {
        if (byte(0) < row.first_from || byte(0) > row.first_to) continue;
        if (text.size() < row.bytes || byte(1) < row.second_from || byte(1) > row.second_to) return 0;
        for (std::size_t i = 2; i < row.bytes; ++i) {
            if ((byte(i) & 0xc0) != 0x80) return 0;
        }
        return row.bytes;
    }
    return 0;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = utf8_character_bytes(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
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
