// Snapshots, folders and commands that the tests of file formats share.
#pragma once

#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "model/snapshot.hpp"

namespace memtrace::test {

/// A small snapshot that uses every field, with names in several scripts, not in UTF-8, and absent.
Snapshot rich_snapshot();

/// Up to a few dozen sites over few files and lines, so that groups meet; sizes around tracemalloc's limits between units.
Snapshot random_snapshot(std::mt19937_64& random);

/// `count` different stacks of `depth` frames over realistic names.
Snapshot large_snapshot(std::size_t count, std::size_t depth);
/// The same with `groups` groups of blocks in all, of ages up to an hour.
Snapshot large_snapshot_with_blocks(std::size_t count, std::size_t depth, std::size_t groups);

/// One process, and one site of `blocks` live blocks of `bytes` in all for each call.
class SnapshotBuilder {
public:
    SnapshotBuilder();
    SnapshotBuilder(const SnapshotBuilder&) = delete;
    SnapshotBuilder& operator=(const SnapshotBuilder&) = delete;
    SnapshotBuilder& python(std::string_view file, std::uint32_t line, std::uint64_t bytes, std::uint64_t blocks = 1,
                            std::string_view domain = "obj");
    SnapshotBuilder& native(std::string_view file, std::uint32_t line, std::string_view function, std::uint64_t bytes, std::uint64_t blocks = 1);
    [[nodiscard]] const Snapshot& get() const { return snapshot_; }

private:
    SnapshotBuilder& site(FrameId frame, std::string_view domain, std::uint64_t bytes, std::uint64_t blocks);
    Snapshot snapshot_;
    Interner interner_{snapshot_};
};

/// A folder of its own under /tmp, removed with all it holds.
class ScratchFolder {
public:
    ScratchFolder();
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    ~ScratchFolder();
    [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] std::size_t entries() const;

private:
    std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, std::string_view bytes);
std::string read_file(const std::filesystem::path& path);

/// What a shell command printed to both outputs; nothing when it failed, after telling the test why.
std::optional<std::string> output_of(const std::string& command);

}  // namespace memtrace::test
