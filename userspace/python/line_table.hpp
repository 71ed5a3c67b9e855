// From the position of an instruction to its place in the source: the line tables of CPython's code objects, in their three formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace memtrace {

/// How a code object tells its lines. (CPython Objects/lnotab_notes.txt up to 3.10, Objects/locations.md of 3.11.)
enum class LineTableFormat : std::uint32_t {
    lnotab,       ///< 3.8, 3.9 (co_lnotab): pairs of address delta and signed line delta; the last line has no end.
    line_deltas,  ///< 3.10 (co_linetable, PEP 626): the same with ends, and with -128 for "no line".
    locations,    ///< Since 3.11 (co_linetable): columns too.
};

/// A place in a source file. All fields are 0 when the line is not known.
struct CodePosition {
    std::uint32_t line = 0;
    std::uint32_t end_line = 0;    ///< Inclusive. 0: not known.
    std::uint32_t column = 0;      ///< In bytes of UTF-8, from 1: CPython's col_offset + 1. 0: not known.
    std::uint32_t end_column = 0;  ///< Exclusive, from 1: CPython's end_col_offset + 1. 0: not known.
    bool operator==(const CodePosition&) const = default;
};

/// Place of the instruction `position` bytes behind the first one (before 3.11: f_lasti in bytes; in 3.10 that is f_lasti * 2): the line
/// of PyCode_Addr2Line, the rest of co_positions(). Negative: not begun yet, the first line alone. `first_line`: co_firstlineno, a C int.
/// Malformed tables end the search with nothing known; but an lnotab cut short still answers for positions behind the cut: with the last
/// line before it, as it does not tell where code ends.
CodePosition position_at(LineTableFormat format, std::span<const std::byte> table, std::uint32_t first_line, std::int32_t position);

}  // namespace memtrace
