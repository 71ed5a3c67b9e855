// How a trace in the background ended: the last line of its log, which whoever stops it reads. Only where it did not end well.
#pragma once

#include <optional>
#include <string>

namespace memtrace::cli {

struct LoggedEnding {
    int status = 0;
    std::string said;  ///< The log's last lines, the ending itself apart.
};

/// The line to end a log with.
std::string ending_line(int status);
/// None: there is no log, it cannot be read, or says nothing of how it ended.
std::optional<LoggedEnding> read_ending(const std::string& log);

}  // namespace memtrace::cli
