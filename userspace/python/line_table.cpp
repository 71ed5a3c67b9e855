#include "python/line_table.hpp"

namespace memtrace {
namespace {

constexpr std::uint64_t code_unit_bytes = 2;

// CPython counts lines in an int; what leaves its range was never written by its compiler.
bool is_int(std::int64_t value) { return value >= INT32_MIN && value <= INT32_MAX; }

// Line 0 is what the compiler gives to what no source line stands for (a module's first instruction since 3.11).
CodePosition line_alone(std::int64_t line) {
    return line < 1 || !is_int(line) ? CodePosition{} : CodePosition{.line = static_cast<std::uint32_t>(line)};
}

// The pairs of the two older formats. An odd byte at the end is no pair.
class Pairs {
public:
    explicit Pairs(std::span<const std::byte> bytes) : bytes_(bytes) {}
    bool next(std::uint64_t& address_delta, std::int64_t& line_delta) {
        if (bytes_.size() < 2) return false;
        address_delta = static_cast<std::uint8_t>(bytes_[0]);
        const auto second = static_cast<std::int64_t>(bytes_[1]);
        line_delta = second < 0x80 ? second : second - 0x100;
        bytes_ = bytes_.subspan(2);
        return true;
    }

private:
    std::span<const std::byte> bytes_;
};

// A pair tells where the next line begins.
CodePosition in_lnotab(std::span<const std::byte> table, std::int64_t line, std::uint64_t position) {
    Pairs pairs(table);
    std::uint64_t begin = 0;
    std::int64_t delta = 0;
    for (std::uint64_t bytes = 0; pairs.next(bytes, delta);) {
        begin += bytes;
        if (begin > position) break;
        line += delta;
    }
    return line_alone(line);
}

// A pair tells how far its own line reaches; pairs of no bytes only carry the line on.
CodePosition in_line_deltas(std::span<const std::byte> table, std::int64_t line, std::uint64_t position) {
    constexpr std::int64_t no_line = -128;
    Pairs pairs(table);
    std::uint64_t end = 0;
    std::int64_t delta = 0;
    for (std::uint64_t bytes = 0; pairs.next(bytes, delta);) {
        end += bytes;
        if (delta != no_line) line += delta;
        if (position < end) return line_alone(delta == no_line ? 0 : line);
    }
    return {};
}

// Bytes of a table of locations, read one by one; what cannot be there marks it as failed.
class Cursor {
public:
    explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}
    [[nodiscard]] bool at_end() const { return at_ >= bytes_.size(); }
    [[nodiscard]] bool failed() const { return failed_; }
    // The first byte of an entry: the only one with the highest bit.
    std::uint32_t head() { return byte(head_bit) & ~head_bit; }
    std::uint32_t byte() { return byte(0); }
    // Six bits a byte, least significant first, 0x40 = more follows.
    std::uint32_t varint() {
        constexpr unsigned longest = 6;  // bytes of 32 bits
        std::uint64_t value = 0;
        for (unsigned i = 0; i < longest; ++i) {
            const std::uint32_t b = byte();
            value |= static_cast<std::uint64_t>(b & 0x3f) << 6 * i;
            if (b & 0x40) continue;
            failed_ |= value > UINT32_MAX;
            return static_cast<std::uint32_t>(value);
        }
        failed_ = true;
        return 0;
    }
    std::int64_t signed_varint() {
        const std::int64_t value = varint();
        return value & 1 ? -(value >> 1) : value >> 1;
    }

private:
    static constexpr std::uint32_t head_bit = 0x80;
    std::uint32_t byte(std::uint32_t expected_head_bit) {
        const std::uint32_t value = at_end() ? 0 : static_cast<std::uint32_t>(bytes_[at_]);
        failed_ |= at_end() || (value & head_bit) != expected_head_bit;
        ++at_;
        return value;
    }

    std::span<const std::byte> bytes_;
    std::size_t at_ = 0;
    bool failed_ = false;
};

enum LocationForm : std::uint32_t { short_forms = 9, one_line_0 = 10, one_line_2 = 12, no_columns = 13, long_form = 14, no_location = 15 };

// An entry behind its head, its lines as deltas: `line` to the line before, `end_line` to `line`.
struct Location {
    std::int64_t line = 0;
    std::int64_t end_line = 0;
    std::int64_t column = 0;
    std::int64_t end_column = 0;
};

Location read_location(Cursor& cursor, std::uint32_t form) {
    Location location;
    if (form <= short_forms) {
        const std::uint32_t columns = cursor.byte();
        location.column = (form << 3 | columns >> 4) + 1;
        location.end_column = location.column + (columns & 15);
    } else if (form <= one_line_2) {
        location.line = form - one_line_0;
        location.column = cursor.byte() + 1;
        location.end_column = cursor.byte() + 1;
    } else if (form == no_columns) {
        location.line = cursor.signed_varint();
    } else if (form == long_form) {
        location.line = cursor.signed_varint();
        location.end_line = cursor.varint();
        location.column = cursor.varint();  // counts from 1 already
        location.end_column = cursor.varint();
    }
    return location;
}

CodePosition in_locations(std::span<const std::byte> table, std::int64_t line, std::uint64_t position) {
    Cursor cursor(table);
    std::uint64_t end = 0;
    while (!cursor.at_end()) {
        const std::uint32_t head = cursor.head();
        const std::uint32_t form = head >> 3;
        const Location location = read_location(cursor, form);
        line += location.line;
        if (cursor.failed() || !is_int(line)) return {};
        end += ((head & 7) + 1) * code_unit_bytes;
        if (position >= end) continue;
        const std::int64_t end_line = line + location.end_line;
        if (form == no_location || line < 1 || !is_int(end_line) || !is_int(location.column) || !is_int(location.end_column)) return {};
        return {static_cast<std::uint32_t>(line), static_cast<std::uint32_t>(end_line), static_cast<std::uint32_t>(location.column),
                static_cast<std::uint32_t>(location.end_column)};
    }
    return {};
}

}  // namespace

CodePosition position_at(LineTableFormat format, std::span<const std::byte> table, std::uint32_t first_line, std::int32_t position) {
    const std::int64_t first = static_cast<std::int32_t>(first_line);
    if (position < 0) return line_alone(first);
    const auto from_begin = static_cast<std::uint64_t>(position);
    switch (format) {
        case LineTableFormat::lnotab: return in_lnotab(table, first, from_begin);
        case LineTableFormat::line_deltas: return in_line_deltas(table, first, from_begin);
        case LineTableFormat::locations: return in_locations(table, first, from_begin);
    }
    return {};
}

}  // namespace memtrace
