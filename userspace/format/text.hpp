// Sizes and lines as tracemalloc prints them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/statistics.hpp"

namespace memtrace {

/// "10239 B", "10.0 KiB", "100 KiB": CPython's tracemalloc._format_size(size, sign=False).
std::string format_size(std::uint64_t size_bytes);
/// The same with a sign always: "+0 B", "-16 B".
std::string format_size_diff(std::int64_t size_bytes);

/// "libfoo.so.1(symbol+0x1f)": a place in native code of which no line is known.
std::string format_symbol(std::string_view file, std::string_view function);

/// "FILE:LINE: size=SIZE, count=N, average=SIZE". FILE is format_symbol() where the group is one function.
/// Names stand as the target spelled them: pass the line through printable() on its way to a terminal.
std::string format_line(const Statistic& statistic);
/// "FILE:LINE: size=SIZE (±SIZE), count=N (±N), average=SIZE". Names as above.
std::string format_line(const StatisticDiff& diff);

/// Text from a target made safe for a terminal: control characters (those of one byte and U+0080 to U+009F) and invalid UTF-8
/// become \xNN escapes, byte by byte.
std::string printable(std::string_view text);

/// Length in bytes of the character that `text` begins with; 0 when that is not valid UTF-8 (RFC 3629) or `text` is empty.
std::size_t utf8_character_bytes(std::string_view text);
/// Whether all of it is valid UTF-8.
bool is_utf8(std::string_view text);

}  // namespace memtrace
