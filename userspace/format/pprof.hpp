// Snapshot files: gzip'ed pprof profile.proto that `go tool pprof` opens, with our own metadata in one extra message.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "model/snapshot.hpp"
#include "util/result.hpp"

namespace memtrace {

/// The bytes of a snapshot file.
Result<std::string> encode_snapshot(const Snapshot& snapshot);
/// The reverse. The bytes are hostile: sizes, counts, indexes and the compression ratio are bounded; anything wrong is an Error.
Result<Snapshot> decode_snapshot(std::string_view bytes);

/// Writes atomically (temporary file in the same folder, fsync, rename), mode 0600, owned by SUDO_UID/SUDO_GID when root runs
/// under sudo. On failure nothing is left behind and an existing file keeps its content. A symbolic link is replaced, never
/// followed. What cannot be replaced is written into instead: character devices, fifos, and open descriptors by the names
/// /dev/stdout, /dev/stderr, /dev/fd/N, /proc/self/fd/N.
Result<void> write_snapshot(const Snapshot& snapshot, const std::filesystem::path& path);
/// Reads a file, a fifo or a descriptor to its end.
Result<Snapshot> read_snapshot(const std::filesystem::path& path);

}  // namespace memtrace
