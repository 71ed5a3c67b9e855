// Reports for people: the "pretty top" of tracemalloc's documentation, and tracebacks with their source lines.
#pragma once

#include <string>
#include <vector>

#include "format/source_lines.hpp"
#include "format/text.hpp"
#include "model/statistics.hpp"

namespace memtrace {

/// The two filters of the documentation's example, which a pretty top adds to its view: no "<frozen importlib._bootstrap>", no "<unknown>".
void hide_as_documented(Filters& filters);

struct PrettyFormat {
    unsigned rows = 10;              ///< 0: all.
    unsigned filename_parts = 3;     ///< 0: all.
    bool most_recent_first = false;  ///< In tracebacks.
};

/// CPython's Traceback.format(): '  File "FILE", line N' a frame and its source line where it can be read; oldest frame first unless asked
/// otherwise. Files stand as FILE(FUNCTION) in native code without lines.
std::vector<std::string> format_traceback(const Statistic& row, SourceLines& source, bool most_recent_first = false);

/// "Top 10 lines", "#1: dir/file.py:368: 291.9 KiB" and the source line, "N other: SIZE", "Total allocated size: SIZE". By traceback
/// "#1: N memory blocks: SIZE" and the traceback. All names printable().
std::vector<std::string> format_pretty(const std::vector<Statistic>& rows, const PrettyFormat& format, SourceLines& source);
/// "[ Top 10 differences ]", and each size with its change: "#1: dir/file.py:368: 291.9 KiB (+10.0 KiB)".
std::vector<std::string> format_pretty(const std::vector<StatisticDiff>& rows, const PrettyFormat& format, SourceLines& source);

}  // namespace memtrace
