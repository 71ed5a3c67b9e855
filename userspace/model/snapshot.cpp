#include "model/snapshot.hpp"

#include <algorithm>

namespace memtrace {

Counters& Counters::operator+=(const Counters& other) {
    allocated_blocks += other.allocated_blocks;
    allocated_bytes += other.allocated_bytes;
    freed_blocks += other.freed_blocks;
    freed_bytes += other.freed_bytes;
    temporary_blocks += other.temporary_blocks;
    return *this;
}

Counters Counters::since(const Counters& before) const {
    const auto more = [](std::uint64_t now, std::uint64_t earlier) { return now >= earlier ? now - earlier : now; };
    return {more(allocated_blocks, before.allocated_blocks), more(allocated_bytes, before.allocated_bytes), more(freed_blocks, before.freed_blocks),
            more(freed_bytes, before.freed_bytes), more(temporary_blocks, before.temporary_blocks)};
}

std::vector<bool> Snapshot::processes_that_count() const {
    const bool none_runs = std::all_of(processes.begin(), processes.end(), [](const Process& process) { return process.ended; });
    std::vector<bool> count;
    for (const Process& process : processes) count.push_back(none_runs || !process.ended);
    return count;
}

std::size_t Interner::FrameHash::operator()(const Frame& frame) const {
    // Ids and lines are small consecutive numbers: the odd multipliers (of splitmix64) spread them over all bits.
    std::uint64_t hash = std::uint64_t{static_cast<std::uint32_t>(frame.file)} << 32 | frame.line;
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9U;
    hash ^= std::uint64_t{static_cast<std::uint32_t>(frame.function)} << 1 | (frame.python ? 1 : 0);
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebU;
    hash ^= (std::uint64_t{frame.end_line} << 32 | frame.column) ^ std::uint64_t{frame.end_column} << 16;
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9U;
    return hash ^ hash >> 31;
}

Interner::Interner(Snapshot& snapshot) : snapshot_(snapshot) {
    if (snapshot_.strings.empty()) snapshot_.strings.emplace_back();
    for (std::size_t i = 0; i < snapshot_.strings.size(); ++i) strings_.try_emplace(snapshot_.strings[i], StringId(i));
    for (std::size_t i = 0; i < snapshot_.frames.size(); ++i) frames_.try_emplace(snapshot_.frames[i], FrameId(i));
}

StringId Interner::string(std::string_view text) {
    if (const auto known = strings_.find(text); known != strings_.end()) return known->second;
    const StringId id{static_cast<std::uint32_t>(snapshot_.strings.size())};
    snapshot_.strings.emplace_back(text);
    strings_.emplace(text, id);
    return id;
}

FrameId Interner::frame(const NamedFrame& named) {
    const Frame frame{string(named.file), string(named.function), named.line, named.python, named.end_line, named.column, named.end_column};
    const FrameId next{static_cast<std::uint32_t>(snapshot_.frames.size())};
    const auto [place, added] = frames_.try_emplace(frame, next);
    if (added) snapshot_.frames.push_back(frame);
    return place->second;
}

}  // namespace memtrace
