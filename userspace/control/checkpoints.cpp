#include "control/checkpoints.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace memtrace::control {
namespace {

// Whoever may ask for checkpoints need not be who may fill the disk.
constexpr std::uint64_t most_on_disk = std::uint64_t{1} << 30;

// A string or an element of a vector, beyond its content.
constexpr std::uint64_t overhead = 64;

std::uint64_t own_bytes(const Checkpoint& checkpoint) {
    std::uint64_t bytes = 2 * (checkpoint.name.size() + overhead) + checkpoint.processes.size() * sizeof(ProcessTotals) + 4 * overhead;
    // Once more in the mark of each.
    for (const UserDatum& datum : checkpoint.user_data) bytes += 2 * (datum.title.size() + datum.format.size() + overhead);
    return bytes;
}

}  // namespace

std::vector<ProcessTotals> totals_of(const Snapshot& snapshot, const std::vector<uid_t>& owners) {
    std::vector<ProcessTotals> totals;
    const std::vector<bool> counts = snapshot.processes_that_count();
    for (std::size_t i = 0; i < snapshot.processes.size(); ++i) {
        const Process& process = snapshot.processes[i];
        totals.push_back({process.pid, i < owners.size() ? owners[i] : 0, counts[i], process.traced_bytes, process.traced_peak_bytes, 0});
    }
    for (const Site& site : snapshot.sites)
        if (site.process < totals.size()) totals[site.process].blocks += site.counters.live_blocks();
    return totals;
}

std::string CheckpointStore::unique_name(const std::string& name) const {
    if (!numbers_.contains(name)) return name;
    const auto next = next_suffix_.find(name);
    unsigned suffix = next == next_suffix_.end() ? 2 : next->second;
    while (numbers_.contains(name + "-" + std::to_string(suffix))) ++suffix;
    next_suffix_[name] = suffix;
    return name + "-" + std::to_string(suffix);
}

Result<void> CheckpointStore::add(Checkpoint checkpoint, std::string snapshot) {
    const std::uint64_t own = own_bytes(checkpoint);
    if (Result<void> done = make_room(own); !done) return done;
    if (memory_used_ + own > memory_limit_)
        return Error{"no room for another checkpoint: names and totals of " + std::to_string(checkpoints_.size()) + " take " +
                         std::to_string(memory_used_) + " bytes",
                     "trace with a larger --checkpoint-memory"};
    Place place{{}, 0, snapshot.size()};
    std::uint64_t in_memory = own;
    if (memory_used_ + own + snapshot.size() <= memory_limit_) {
        in_memory += snapshot.size();
        place.bytes = std::move(snapshot);
    } else {
        Result<Place> spilled = spill(snapshot);
        if (!spilled) return std::move(spilled).error();
        place = *std::move(spilled);
    }
    memory_used_ += in_memory;
    numbers_.emplace(checkpoint.name, checkpoints_.size());
    places_.push_back(std::move(place));
    checkpoints_.push_back(std::move(checkpoint));
    return {};
}

// Names and totals stay in memory: snapshots give way to them, oldest first.
Result<void> CheckpointStore::make_room(std::uint64_t bytes) {
    for (; memory_used_ + bytes > memory_limit_ && next_to_spill_ < places_.size(); ++next_to_spill_) {
        Place& place = places_[next_to_spill_];
        if (place.bytes.empty()) continue;
        Result<Place> spilled = spill(place.bytes);
        if (!spilled) return std::move(spilled).error();
        memory_used_ -= place.size_bytes;
        place = *std::move(spilled);
    }
    return {};
}

std::optional<std::size_t> CheckpointStore::find(const std::string& name) const {
    const auto found = numbers_.find(name);
    return found == numbers_.end() ? std::nullopt : std::optional(found->second);
}

Result<void> CheckpointStore::make_file() {
    if (file_) return {};
    const char* temporary = std::getenv("TMPDIR");
    const std::string folder = !folder_.empty() ? folder_ : temporary && *temporary ? temporary : "/var/tmp";
    const std::string hint = "--checkpoint-dir names another folder, --checkpoint-memory keeps more in memory";
    file_ = UniqueFd(open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (file_) return {};
    if (errno != EOPNOTSUPP && errno != EISDIR) return errno_error("making a file for checkpoints in " + folder, errno, hint);
    // File systems that cannot make files without a name: it has one for a moment.
    std::string name = folder + "/.memtrace-bpf-checkpoints-XXXXXX";
    file_ = UniqueFd(mkostemp(name.data(), O_CLOEXEC));
    if (!file_) return errno_error("making a file for checkpoints in " + folder, errno, hint);
    unlink(name.c_str());
    return {};
}

Result<CheckpointStore::Place> CheckpointStore::spill(const std::string& bytes) {
    if (file_end_ + bytes.size() > most_on_disk)
        return Error{"no room for another checkpoint: those on disk take a gibibyte", "--checkpoint-memory keeps more in memory"};
    if (Result<void> done = make_file(); !done) return std::move(done).error();
    std::size_t written = 0;
    while (written < bytes.size()) {
        const ssize_t size = pwrite(file_.get(), bytes.data() + written, bytes.size() - written, static_cast<off_t>(file_end_ + written));
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) {
            const int code = size < 0 ? errno : ENOSPC;
            [[maybe_unused]] const int ignored = ftruncate(file_.get(), static_cast<off_t>(file_end_));  // gives back what room it has taken
            return errno_error("no room for another checkpoint, neither in memory nor on disk", code,
                               "--checkpoint-dir names another folder, --checkpoint-memory keeps more in memory");
        }
        written += static_cast<std::size_t>(size);
    }
    Place place{{}, file_end_, bytes.size()};
    file_end_ += bytes.size();
    return place;
}

Result<std::string> CheckpointStore::snapshot(std::size_t index) const {
    const Place& place = places_[index];
    if (!place.bytes.empty()) return place.bytes;
    std::string bytes(place.size_bytes, '\0');
    std::size_t got = 0;
    while (got < bytes.size()) {
        const ssize_t size = pread(file_.get(), bytes.data() + got, bytes.size() - got, static_cast<off_t>(place.offset + got));
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return errno_error("reading checkpoint " + checkpoints_[index].name, size < 0 ? errno : EIO);
        got += static_cast<std::size_t>(size);
    }
    return bytes;
}

}  // namespace memtrace::control
