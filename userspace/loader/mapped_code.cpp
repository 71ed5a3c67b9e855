#include "loader/mapped_code.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "process/maps.hpp"

namespace memtrace {
namespace {

// Libraries come in crowds: as long between two looks as the last one took, within bounds.
constexpr std::chrono::nanoseconds shortest_rest = std::chrono::milliseconds(5);
constexpr std::chrono::nanoseconds longest_rest = std::chrono::milliseconds(20);
constexpr auto patience = std::chrono::seconds(2);
constexpr std::size_t most_known = 65'536;
constexpr std::size_t most_recent = 1024;
constexpr std::size_t most_notes = 8;

// Made-up code comes and goes and has no functions that are looked for.
std::vector<Mapping> code_of(int pid) {
    Result<std::vector<Mapping>> maps = read_maps(pid);
    if (!maps) return {};
    std::erase_if(*maps, [](const Mapping& mapping) { return !mapping.executable || mapping.inode == 0; });
    return *std::move(maps);
}

template <typename Code>
auto place_of(const Code& code) {
    return std::pair(std::pair(code.device, code.inode), code.start - code.file_offset);
}

}  // namespace

void MappedCode::read(int pid) {
    known_.clear();
    for (const Mapping& code : code_of(pid)) known_.insert(place_of(code));
    looked_ = Clock::now();
    wanted_ = false;
}

void MappedCode::mapped(const CodeMapping& mapping) { add(place_of(mapping), {{mapping.device, mapping.inode}, mapping.path, mapping.time, false}); }

void MappedCode::look(int pid) {
    const Clock::time_point before = std::exchange(looked_, Clock::now());
    for (Mapping& code : code_of(pid)) add(place_of(code), {{code.device, code.inode}, std::move(code.path), before, true});
}

void MappedCode::add(const Place& place, File file) {
    if (known_.contains(place) || plain_.contains(file.id)) return;
    // A file may be mapped at new places for ever.
    if (known_.size() >= most_known) known_.clear();
    known_.insert(place);
    wanted_ = true;
    const auto same_file = [&](const File& other) { return other.id == file.id; };
    if (recent_.size() < most_recent && std::none_of(recent_.begin(), recent_.end(), same_file)) recent_.push_back(std::move(file));
}

void MappedCode::handled(const Plan& plan, bool incomplete, Clock::time_point begin, Clock::time_point end) {
    Clock::time_point newest{};
    for (const File& file : recent_) newest = std::max(newest, file.since);
    std::erase_if(recent_, [&](const File& file) {
        const bool probed = std::any_of(plan.probes.begin(), plan.probes.end(),
                                        [&](const PlannedProbe& probe) { return FileId(probe.device, probe.inode) == file.id; });
        if (!probed) return !incomplete || end - file.since > patience;
        blind_.push_back({file.path, end - file.since, file.estimated});
        return true;
    });
    std::stable_sort(blind_.begin(), blind_.end(), [](const Blind& a, const Blind& b) { return a.time > b.time; });
    if (blind_.size() > most_notes) {
        blind_more_ += blind_.size() - most_notes;
        blind_.resize(most_notes);
    }
    wanted_ = incomplete && end - newest < patience;
    next_ = end + (incomplete ? shortest_rest : std::clamp<std::chrono::nanoseconds>(end - begin, shortest_rest, longest_rest));
}

void MappedCode::ended() {
    for (File& file : recent_) missed_.push_back(std::move(file.path));
    replaced();
}

void MappedCode::replaced() {
    recent_.clear();
    wanted_ = false;
}

std::vector<std::string> MappedCode::notes() const {
    std::vector<std::string> notes;
    if (!missed_.empty())
        notes.push_back(fmt::format("{}{} was loaded too shortly before the end to be looked at: what was allocated through it is not seen",
                                    missed_.back(), missed_.size() > 1 ? fmt::format(", with {} other libraries,", missed_.size() - 1) : ""));
    for (const Blind& blind : blind_)
        notes.push_back(fmt::format("{} was loaded while it was traced: what was allocated through it in the first {}{:.1f} ms is not seen",
                                    blind.path, blind.estimated ? "at most " : "", std::chrono::duration<double, std::milli>(blind.time).count()));
    if (blind_more_ > 0) notes.push_back(fmt::format("{} more libraries were loaded likewise, and seen sooner than these", blind_more_));
    return notes;
}

}  // namespace memtrace
