// Line tables of the three formats, made by hand: what each can say, and what hostile ones may not do.
#include "python/line_table.hpp"

#include <algorithm>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace memtrace {

static std::ostream& operator<<(std::ostream& out, const CodePosition& at) {
    return out << at.line << ':' << at.end_line << ':' << at.column << ':' << at.end_column;
}

}  // namespace memtrace

using namespace memtrace;
using namespace memtrace::test;

namespace {

constexpr std::initializer_list<LineTableFormat> all_formats = {LineTableFormat::lnotab, LineTableFormat::line_deltas, LineTableFormat::locations};

// Two digits a byte; blanks between bytes are for the reader.
std::vector<std::byte> bytes_of_hex(const std::string& hex) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += hex[i] == ' ' ? 1 : 2)
        if (hex[i] != ' ') bytes.push_back(static_cast<std::byte>(std::stoul(hex.substr(i, 2), nullptr, 16)));
    return bytes;
}

std::uint32_t lnotab_line(const std::string& hex, std::uint32_t first_line, std::int32_t position) {
    return position_at(LineTableFormat::lnotab, bytes_of_hex(hex), first_line, position).line;
}

std::uint32_t delta_line(const std::string& hex, std::uint32_t first_line, std::int32_t position) {
    return position_at(LineTableFormat::line_deltas, bytes_of_hex(hex), first_line, position).line;
}

CodePosition location(const std::string& hex, std::uint32_t first_line, std::int32_t position) {
    return position_at(LineTableFormat::locations, bytes_of_hex(hex), first_line, position);
}

}  // namespace

RULE("before the first instruction stands the first line, without columns") {
    for (const LineTableFormat format : all_formats) {
        for (const std::int32_t position : {-1, -2, INT32_MIN}) {
            CHECK(position_at(format, {}, 17, position) == CodePosition{17});
            CHECK(position_at(format, bytes_of_hex("8011"), 17, position) == CodePosition{17});
        }
        CHECK(position_at(format, {}, 0, -1) == CodePosition{});
        CHECK(position_at(format, {}, static_cast<std::uint32_t>(-3), -1) == CodePosition{});
    }
}

RULE("in an lnotab a pair tells where the next line begins, and the last line has no end") {
    CHECK(lnotab_line("", 17, 0) == 17);
    CHECK(lnotab_line("", 17, INT32_MAX) == 17);
    const std::string table = "0001 0602 0afe ff00 057f 0003";
    for (const std::int32_t position : {0, 4, 5}) CHECK(lnotab_line(table, 10, position) == 11);
    for (const std::int32_t position : {6, 15}) CHECK(lnotab_line(table, 10, position) == 13);
    for (const std::int32_t position : {16, 16 + 255 + 4}) CHECK(lnotab_line(table, 10, position) == 11);
    for (const std::int32_t position : {16 + 255 + 5, INT32_MAX}) CHECK(lnotab_line(table, 10, position) == 11 + 127 + 3);
}

RULE("in an lnotab -128 is a line delta like others") { CHECK(lnotab_line("0080 0080 02ff", 1000, 0) == 1000 - 256); }

RULE("in line deltas a pair tells how far its own line reaches, and behind the last there is none") {
    CHECK(delta_line("", 17, 0) == 0);
    const std::string table = "0601 007f 04fe 0280 0205";
    for (const std::int32_t position : {0, 4, 5}) CHECK(delta_line(table, 10, position) == 11);
    for (const std::int32_t position : {6, 9}) CHECK(delta_line(table, 10, position) == 11 + 127 - 2);
    for (const std::int32_t position : {10, 11}) CHECK(delta_line(table, 10, position) == 0);  // -128: no line, and the count goes on
    CHECK(delta_line(table, 10, 12) == 11 + 127 - 2 + 5);
    for (const std::int32_t position : {14, INT32_MAX}) CHECK(delta_line(table, 10, position) == 0);
}

RULE("each form of a location tells what it can of lines and columns") {
    CHECK(location("80 00", 5, 0) == CodePosition{5, 5, 1, 1});                          // short, column 0
    CHECK(location("c8 7f", 5, 0) == CodePosition{5, 5, 80, 95});                        // short, column 9 * 8 + 7
    CHECK(location("d0 047f", 5, 0) == CodePosition{5, 5, 5, 128});                      // one line, the same
    CHECK(location("e0 0402", 5, 0) == CodePosition{7, 7, 5, 3});                        // one line, two on
    CHECK(location("e8 07", 5, 0) == CodePosition{2, 2});                                // no columns, three back
    CHECK(location("f0 4801 4801 4002 7f03", 5, 0) == CodePosition{41, 113, 128, 255});  // long
    CHECK(location("f0 00 01 00 00", 5, 0) == CodePosition{5, 6});                       // long, its columns not known
    CHECK(location("f8", 5, 0) == CodePosition{});
    // The line of an entry without location is carried on; the head tells the instructions.
    const std::string table = "e804 fb 8411";
    CHECK(location(table, 5, 0).line == 7);
    for (const std::int32_t position : {2, 9}) CHECK(location(table, 5, position) == CodePosition{});
    for (const std::int32_t position : {10, 19}) CHECK(location(table, 5, position) == CodePosition{7, 7, 2, 3});
    CHECK(location(table, 5, 20) == CodePosition{});
}

RULE("where there is no line there are no columns either") {
    CHECK(location("f0 0b 01 01 01", 5, 0) == CodePosition{});  // line 0, as modules begin since 3.11
    CHECK(location("8000", static_cast<std::uint32_t>(-3), 0) == CodePosition{});
    CHECK(location("e80a", static_cast<std::uint32_t>(-3), 0) == CodePosition{2, 2});
}

RULE("a cut table knows the lines before the cut and nothing behind it") {
    // Two entries of one instruction each: "same line, columns" and "two lines on, columns".
    for (const std::size_t digits : {4, 6, 8}) {
        const std::string cut = std::string("8011e00102").substr(0, digits);
        CHECK(location(cut, 5, 0).line == 5);
        CHECK(location(cut, 5, 2) == CodePosition{});
    }
    CHECK(location("8011e00102", 5, 2).line == 7);
    CHECK(location("80", 5, 0) == CodePosition{});
    for (const char* cut : {"f0", "f042", "f00200", "f0020001", "f002000141"}) CHECK(location(cut, 5, 0) == CodePosition{});
    CHECK(delta_line("0201 02", 5, 0) == 6);
    CHECK(delta_line("0201 02", 5, 2) == 0);
    // An lnotab has no end to miss: half a pair is none.
    CHECK(lnotab_line("0201 02", 5, INT32_MAX) == 6);
}

RULE("entries that do not begin where they should end the search") {
    CHECK(location("0000", 5, 0) == CodePosition{});          // a head without its bit
    CHECK(location("8080", 5, 0) == CodePosition{});          // a head in place of columns
    CHECK(location("e880", 5, 0) == CodePosition{});          // a head in place of a number
    CHECK(location("8000 00 8000", 5, 2) == CodePosition{});  // a byte too many between two entries
}

RULE("numbers out of range end the search") {
    CHECK(location("e8 7f7f7f7f7f03", INT32_MAX, 0) == CodePosition{});                // hugely backwards
    CHECK(location("e8 7e7f7f7f7f03", INT32_MAX, 0) == CodePosition{});                // hugely forwards
    CHECK(location("e8 7e7f7f7f7f03", 0, 0).line == INT32_MAX);                        // as far as can be
    CHECK(location("e8 7e7f7f7f7f04", 0, 0) == CodePosition{});                        // more than 32 bits
    CHECK(location("e8 42404040404000", 0, 0) == CodePosition{});                      // more than six bytes
    CHECK(location("e8 7e7f7f7f7f03 e8 02 e8 7f7f7f7f7f03", 0, 4) == CodePosition{});  // beyond and back again
    CHECK(location("f0 00 7f7f7f7f7f01 01 01", 1, 0) == CodePosition{});               // the end line
    CHECK(location("f0 00 00 404040404002 01", 1, 0) == CodePosition{});               // the column
    CHECK(location("f0 00 00 01 404040404002", 1, 0) == CodePosition{});               // the end column
    CHECK(lnotab_line("0001", INT32_MAX, 0) == 0);
    CHECK(lnotab_line("00ff", 1, 0) == 0);
    CHECK(lnotab_line("00fd", 1, 0) == 0);
    CHECK(delta_line("0201", INT32_MAX, 0) == 0);
    CHECK(delta_line("02fd", 1, 0) == 0);
}

RULE("a format that is none has no lines") { CHECK(position_at(static_cast<LineTableFormat>(7), bytes_of_hex("8011"), 5, 0) == CodePosition{}); }

RULE("hostile line tables end the search: within their own bytes, and never on a place that is none") {
    std::mt19937 random(311);  // NOLINT: the same tables each run
    for (int round = 0; round < 20'000; ++round) {
        std::vector<std::byte> table(random() % 64);
        for (std::byte& byte : table) byte = static_cast<std::byte>(round % 2 ? random() | 0x80 : random());
        // Each second byte small: entries that go on, too.
        for (std::size_t i = 1; round % 4 == 1 && i < table.size(); i += 2) table[i] &= std::byte{0x7f};
        // A heap block of exactly that size: sanitizers see a byte too many.
        const auto copy = std::make_unique<std::byte[]>(table.size());
        std::copy(table.begin(), table.end(), copy.get());
        const std::span<const std::byte> bytes(copy.get(), table.size());
        for (const LineTableFormat format : all_formats) {
            for (const std::int32_t position : {0, 2, 14, 600, INT32_MAX}) {
                const CodePosition at = position_at(format, bytes, static_cast<std::uint32_t>(random()), position);
                REQUIRE(std::max({at.line, at.end_line, at.column, at.end_column}) <= INT32_MAX);
                REQUIRE((at.line != 0 || at == CodePosition{}));
                REQUIRE((at.end_line == 0 || at.end_line >= at.line));
            }
        }
    }
}

RULE("a megabyte of table is read once through, not more") {
    std::vector<std::byte> table;
    for (std::uint32_t i = 0; i < 1U << 19; ++i) table.insert(table.end(), {std::byte{0x80}, std::byte{0}});  // as many entries of one instruction
    CHECK(position_at(LineTableFormat::locations, table, 3, (1 << 20) - 2).line == 3);
    CHECK(position_at(LineTableFormat::locations, table, 3, 1 << 20).line == 0);
    CHECK(position_at(LineTableFormat::line_deltas, table, 3, (1 << 26) - 2).line == 3);
    CHECK(position_at(LineTableFormat::line_deltas, table, 3, 1 << 26).line == 0);
    CHECK(position_at(LineTableFormat::lnotab, table, 3, 1 << 26).line == 3);
}
