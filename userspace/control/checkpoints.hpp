// The checkpoints of a trace: whole snapshots, encoded as files are, in memory up to a limit and on disk beyond.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/snapshot.hpp"
#include "util/result.hpp"
#include "util/unique_fd.hpp"

namespace memtrace::control {

/// What a process held at a checkpoint.
struct ProcessTotals {
    std::int32_t pid = 0;
    uid_t owner = 0;     ///< Root where it had ended.
    bool counts = true;  ///< What it held was memory in use (Snapshot::processes_that_count()).
    std::uint64_t bytes = 0;
    std::uint64_t peak_bytes = 0;
    std::uint64_t blocks = 0;
    bool operator==(const ProcessTotals&) const = default;
};

struct Checkpoint {
    std::string name;
    std::chrono::sys_time<std::chrono::nanoseconds> time{};
    std::vector<ProcessTotals> processes;  ///< In the snapshot's order.
    std::vector<UserDatum> user_data;
};

/// What each process of a snapshot holds. `owners`: of each.
std::vector<ProcessTotals> totals_of(const Snapshot& snapshot, const std::vector<uid_t>& owners);

/// Move-only. Nothing that was added is ever dropped. The file has no name: it is gone with its owner, however that ends.
class CheckpointStore {
public:
    /// `memory_bytes`: for snapshots; names and totals are counted in, and take no room on disk. `folder`: where the file is made with
    /// the first snapshot that does not fit; empty: $TMPDIR or /var/tmp.
    CheckpointStore(std::uint64_t memory_bytes, std::string folder) : memory_limit_(memory_bytes), folder_(std::move(folder)) {}

    /// `name`, or name-2, name-3 … where there is one of that name already.
    [[nodiscard]] std::string unique_name(const std::string& name) const;
    /// `snapshot`: an encoded file. Its name must be a unique one. Errors: neither memory nor disk has room; nothing was added then.
    Result<void> add(Checkpoint checkpoint, std::string snapshot);
    [[nodiscard]] const std::vector<Checkpoint>& all() const { return checkpoints_; }
    [[nodiscard]] std::optional<std::size_t> find(const std::string& name) const;
    /// The encoded snapshot of all()[index].
    Result<std::string> snapshot(std::size_t index) const;

    [[nodiscard]] std::uint64_t memory_bytes() const { return memory_used_; }
    [[nodiscard]] std::uint64_t disk_bytes() const { return file_end_; }

private:
    struct Place {
        std::string bytes;  ///< In memory; empty: on disk.
        std::uint64_t offset = 0;
        std::uint64_t size_bytes = 0;
    };
    Result<void> make_file();
    Result<Place> spill(const std::string& bytes);

    std::uint64_t memory_limit_;
    std::string folder_;
    std::vector<Checkpoint> checkpoints_;
    std::vector<Place> places_;
    std::map<std::string, std::size_t> numbers_;           ///< Of each name in all().
    mutable std::map<std::string, unsigned> next_suffix_;  ///< From which on one may be free.
    std::uint64_t memory_used_ = 0;
    UniqueFd file_;
    std::uint64_t file_end_ = 0;
};

}  // namespace memtrace::control
