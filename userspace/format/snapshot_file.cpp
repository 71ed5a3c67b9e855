// Snapshots on disk.
#include <string>
#include <utility>

#include "format/gzip.hpp"
#include "format/output_file.hpp"
#include "format/pprof.hpp"
#include "format/snapshot_wire.hpp"

namespace memtrace {

namespace fs = std::filesystem;

Result<void> write_snapshot(const Snapshot& snapshot, const fs::path& path) {
    const Result<std::string> bytes = encode_snapshot(snapshot);
    Result<void> written = bytes ? write_output(path, *bytes) : Result<void>(bytes.error());
    if (!written) return std::move(written).error().in("snapshot " + path.string());
    return {};
}

Result<Snapshot> read_snapshot(const fs::path& path) {
    const Result<std::string> bytes = read_input(path, wire::kMaxFileBytes, looks_like_gzip, "a snapshot");
    Result<Snapshot> snapshot = bytes ? decode_snapshot(*bytes) : Result<Snapshot>(bytes.error());
    if (!snapshot) return std::move(snapshot).error().in("snapshot " + path.string());
    return snapshot;
}

}  // namespace memtrace
