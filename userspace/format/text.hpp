// Sizes and lines as tracemalloc prints them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/statistics.hpp"
#include "util/utf8.hpp"

namespace memtrace {

/// "10239 B", "10.0 KiB", "100 KiB": CPython's tracemalloc._format_size(size, sign=False).
std::string format_size(std::uint64_t size_bytes);
/// The same with a sign always: "+0 B", "-16 B".
std::string format_size_diff(std::int64_t size_bytes);

/// "libfoo.so.1(symbol+0x1f)": a place in native code of which no line is known.
std::string format_symbol(std::string_view file, std::string_view function);

/// How many a second: "0.25/s", "12.5/s", "1234/s"; without an interval nothing.
std::string format_rate(std::uint64_t count, std::chrono::nanoseconds interval);
/// The same of bytes: "1.2 KiB/s".
std::string format_byte_rate(std::uint64_t bytes, std::chrono::nanoseconds interval);

/// "45.2 s", "1 min 35 s", "2 h 5 min": the two largest units.
std::string format_duration(std::chrono::nanoseconds time);

/// The last `parts` parts of a path; 0: all of it.
std::string_view last_path_parts(std::string_view path, unsigned parts);

/// What a group is called: "FILE:LINE", by file "FILE:0", by traceback its oldest frame; "FILE(FUNCTION):0" for native code without lines;
/// "FILE(FUNCTION)", "obj", "pid 7 (COMMAND)", "thread 9 (NAME)". Names stand as the target spelled them: pass what is made
/// of them through printable() on its way to a terminal.
std::string format_place(const Statistic& row, unsigned filename_parts = 0);

/// What is told of a group.
enum class Column { size, count, average, allocated, freed, rate, age, domain, function, temporary, alloc_rate, free_rate, byte_rate };

/// How a line is written; as it is by default, tracemalloc would write the same.
struct LineFormat {
    std::vector<Column> columns{Column::size, Column::count, Column::average};
    unsigned filename_parts = 0;           ///< 0: all.
    std::chrono::nanoseconds interval{0};  ///< What rates are for: the time that was traced, or between two snapshots. 0: there are none.
};

/// "FILE:LINE: size=SIZE, count=N, average=SIZE", then other columns likewise: "allocated=SIZE", "freed=SIZE", "rate=±SIZE/s",
/// "age=TIME" of the oldest block, "domain=NAMES", "function=NAME", "temporary=N", "alloc-rate=N/s", "free-rate=N/s", "byte-rate=SIZE/s" (of
/// what is allocated). What is not known is left out; temporary blocks are "not counted" then. Names as above.
std::string format_line(const Statistic& row, const LineFormat& format = {});
/// "FILE:LINE: size=SIZE (±SIZE), count=N (±N), average=SIZE"; other columns as above.
std::string format_line(const StatisticDiff& row, const LineFormat& format = {});

/// "TITLE: SIZE", "TITLE: SIZE (±SIZE)"; other formats than "size" are plain numbers. For each datum of `now`; the difference where
/// `before` has one of the same title and format.
std::vector<std::string> format_user_data(const Snapshot& now, const Snapshot* before = nullptr);

/// Text from a target made safe for a terminal: control characters (those of one byte, U+0080 to U+009F, and those that change the
/// direction of text or end lines) and invalid UTF-8 become \xNN escapes, byte by byte.
std::string printable(std::string_view text);

}  // namespace memtrace
