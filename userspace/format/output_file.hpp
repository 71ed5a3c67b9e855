// Whole files in and out: what every format's bytes go through.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "util/result.hpp"

namespace memtrace {

/// Writes atomically (temporary file in the same folder, fsync, rename), mode 0600, owned by SUDO_UID/SUDO_GID when root runs
/// under sudo. On failure nothing is left behind and an existing file keeps its content. A symbolic link is replaced, never
/// followed. What cannot be replaced is written into instead: character devices, fifos, and open descriptors by the names
/// /dev/stdout, /dev/stderr, /dev/fd/N, /proc/self/fd/N. Errors do not name the path.
Result<void> write_output(const std::filesystem::path& path, std::string_view bytes);

/// Reads a file, a fifo or a descriptor to its end, or to where `may_be_one` says of what was read so far that no more is needed to
/// refuse it. More than `max_bytes` is "too large to be WHAT". Errors do not name the path.
Result<std::string> read_input(const std::filesystem::path& path, std::uint64_t max_bytes, bool (*may_be_one)(std::string_view), const char* what);

}  // namespace memtrace
