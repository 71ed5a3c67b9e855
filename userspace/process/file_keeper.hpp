// Lets our tracees go at once when we are killed. The kernel closes a dying process's files before it lets go of its tracees, and closing
// probes takes tens of milliseconds each: every thread that stops for us meanwhile would stand still. So another process shares our
// files, and closes them after us.
#pragma once

#include <utility>

#include "util/result.hpp"
#include "util/unique_fd.hpp"

namespace memtrace {

/// Move-only. Its process does nothing, and ends with this object or with us.
class FileKeeper {
public:
    /// Before there are other threads.
    static Result<FileKeeper> start();
    FileKeeper(FileKeeper&& other) noexcept = default;
    FileKeeper& operator=(FileKeeper&&) = delete;
    ~FileKeeper();

private:
    explicit FileKeeper(UniqueFd process) : process_(std::move(process)) {}
    UniqueFd process_;  ///< A pidfd: whoever else waits for our children may have taken its end, and its number be another's.
};

}  // namespace memtrace
