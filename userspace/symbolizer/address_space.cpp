#include "symbolizer/address_space.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <unordered_set>

#include "process/proc_file.hpp"
#include "symbolizer/object_file.hpp"

namespace memtrace {
namespace {

constexpr std::size_t kMaxHeldFiles = 256;
// The kernel's own default limit of mappings (vm.max_map_count).
constexpr std::size_t kMaxAreas = 65'530;
constexpr std::chrono::milliseconds kLongestWait{100};

std::string display_name(const Mapping& mapping) { return mapping.path.empty() ? "[anon]" : mapping.path; }

}  // namespace

AddressSpace::AddressSpace(int pid) : pid_(pid) {
    if (Result<UniqueFd> process = open_process_directory(pid)) process_ = *std::move(process);
    root_ = UniqueFd(process_ ? ::openat(process_.get(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1);
}

Result<void> AddressSpace::refresh() {
    if (!process_) return Error{"no process with pid " + std::to_string(pid_)};
    Result<std::vector<Mapping>> mappings = read_maps(process_);
    if (!mappings) return std::move(mappings).error().in("process " + std::to_string(pid_));
    std::erase_if(*mappings, [](const Mapping& mapping) { return !mapping.executable; });
    // A process that has ended, but is not waited for, has an empty list: what is known stays known.
    if (areas_.size() + mappings->size() > kMaxAreas) areas_.clear();
    if (mappings->size() > kMaxAreas) mappings->resize(kMaxAreas);
    for (const Mapping& mapping : *mappings) {
        place(mapping.start, {mapping.end, mapping.file_offset, file_of(mapping), display_name(mapping)});
    }
    drop_unused_files();
    return {};
}

AddressSpace::Place AddressSpace::find(std::uint64_t address) {
    const auto known = [&]() -> Place {
        const auto after = areas_.upper_bound(address);
        if (after == areas_.begin()) return {};
        const auto& [start, area] = *std::prev(after);
        return address < area.end ? Place{&area, area.file_offset + (address - start)} : Place{};
    };
    const Place place = known();
    const auto now = std::chrono::steady_clock::now();
    if (place.area != nullptr || now < next_reading_) return place;
    // Broken stacks hold any number of addresses that are nowhere; they must not cost a reading each.
    const bool readable = static_cast<bool>(refresh());
    const Place found = known();
    wait_ = found.area != nullptr ? std::chrono::milliseconds{0} : std::clamp(wait_ * 2, std::chrono::milliseconds{1}, kLongestWait);
    next_reading_ = readable ? std::chrono::steady_clock::now() + wait_ : now + kLongestWait;
    return found;
}

UniqueFd AddressSpace::mark(FileId id) const {
    const auto found = files_.find(id);
    if (found == files_.end()) return {};
    const MappedFile& file = found->second;
    return file.held ? UniqueFd(::fcntl(file.held.get(), F_DUPFD_CLOEXEC, 0)) : mark_mapped(file.mapping);
}

UniqueFd AddressSpace::mark_mapped(const Mapping& mapping) const {
    if (UniqueFd file = mark_file(process_.get(), mapped_file_name(mapping))) return file;
    // Without the right to map_files the name has to do, as long as it still leads to the very file that is mapped.
    UniqueFd file = mark_file_in_root(root_, mapping.path);
    struct stat status;
    if (!file || ::fstat(file.get(), &status) != 0) return {};
    return status.st_dev == mapping.device && status.st_ino == mapping.inode ? std::move(file) : UniqueFd();
}

AddressSpace::FileId AddressSpace::file_of(const Mapping& mapping) {
    if (mapping.inode == 0) return kNoFile;
    const auto [known, is_new] = ids_.try_emplace({mapping.device, mapping.inode, mapping.path}, last_file_ + 1);
    if (!is_new) {
        // The range may have been split since; the newest is the one that map_files has.
        files_.at(known->second).mapping = mapping;
        return known->second;
    }
    UniqueFd held = held_files_ < kMaxHeldFiles ? mark_mapped(mapping) : UniqueFd();
    held_files_ += held ? 1 : 0;
    files_.emplace(++last_file_, MappedFile{mapping, std::move(held)});
    return last_file_;
}

// Puts an area where it is now, cutting away what was known to be there.
void AddressSpace::place(std::uint64_t start, Area area) {
    auto at = areas_.upper_bound(start);
    if (at != areas_.begin() && std::prev(at)->second.end > start) --at;
    while (at != areas_.end() && at->first < area.end) {
        const Area old = at->second;
        const std::uint64_t old_start = at->first;
        const bool same = old.file == area.file && old.name == area.name && old.file_offset - old_start == area.file_offset - start;
        if (!same) changed_.emplace_back(std::max(start, old_start), std::min(area.end, old.end));
        if (old.end > area.end) areas_.emplace(area.end, Area{old.end, old.file_offset + (area.end - old_start), old.file, old.name});
        if (old_start < start) {
            at->second.end = start;
            ++at;
        } else {
            at = areas_.erase(at);
        }
    }
    areas_.emplace(start, std::move(area));
}

void AddressSpace::drop_unused_files() {
    std::unordered_set<FileId> used;
    for (const auto& [start, area] : areas_) used.insert(area.file);
    std::erase_if(ids_, [&](const auto& entry) { return !used.contains(entry.second); });
    std::erase_if(files_, [&](const auto& entry) {
        if (used.contains(entry.first)) return false;
        held_files_ -= entry.second.held ? 1 : 0;
        return true;
    });
}

}  // namespace memtrace
