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

/// As write_output() does (format/output_file.hpp).
Result<void> write_snapshot(const Snapshot& snapshot, const std::filesystem::path& path);
/// Reads a file, a fifo or a descriptor to its end.
Result<Snapshot> read_snapshot(const std::filesystem::path& path);

}  // namespace memtrace
