// Reading /proc/PID through one directory handle, so that everything read belongs to one process even when its number
// is given away meanwhile.
#pragma once

#include <cstddef>
#include <string>

#include "util/result.hpp"
#include "util/unique_fd.hpp"

namespace memtrace {

/// /proc/PID as a directory. Once the process has ended, whatever is opened through it fails with ESRCH or ENOENT.
Result<UniqueFd> open_process_directory(int pid);

/// The first `limit_bytes` of DIRECTORY/NAME. A shorter text is the whole file.
Result<std::string> read_process_file(const UniqueFd& directory, const char* name, std::size_t limit_bytes);

}  // namespace memtrace
