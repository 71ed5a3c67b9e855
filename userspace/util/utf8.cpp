#include "util/utf8.hpp"

#include <algorithm>
#include <array>

namespace memtrace {
namespace {

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
constexpr char32_t kEscape = 0xdc00;

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char byte) { return static_cast<unsigned char>(byte) < 0x80; });
}

}  // namespace

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

std::u32string code_points(std::string_view text) {
    std::u32string points;
    points.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = utf8_character_bytes(text);
        const auto first = static_cast<unsigned char>(text[0]);
        if (length < 2) {
            points += length == 1 ? first : kEscape + first;
        } else {
            char32_t point = first & (0xffU >> (length + 1));
            for (std::size_t i = 1; i < length; ++i) point = point << 6 | (static_cast<unsigned char>(text[i]) & 0x3fU);
            points += point;
        }
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return points;
}

std::strong_ordering compare_as_python(std::string_view a, std::string_view b) {
    const std::size_t shorter = std::min(a.size(), b.size());
    const auto differs = static_cast<std::size_t>(std::mismatch(a.begin(), a.begin() + shorter, b.begin()).first - a.begin());
    if (differs == shorter && a.size() == b.size()) return std::strong_ordering::equal;
    // Bytes are ordered as the characters they encode, unless one of them encodes none.
    const std::size_t from = differs > 3 ? differs - 3 : 0;
    if (is_ascii(a.substr(from, 4)) && is_ascii(b.substr(from, 4))) return a.compare(b) <=> 0;
    return code_points(a) <=> code_points(b);
}

}  // namespace memtrace
