// From sites to groups: a frame is turned into the number of its place once, so that a site costs a few array reads a frame.
#include "model/aggregation.hpp"

#include <algorithm>
#include <functional>

namespace memtrace {
namespace {

constexpr std::uint32_t kNone = ~std::uint32_t{0};

/// The odd multiplier and the shift are those of splitmix64.
std::uint64_t mixed(std::uint64_t hash) {
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9U;
    return hash ^ hash >> 31;
}

/// "symbol" of "symbol+0x1f"; nothing of "0x1234", which is an offset in a file.
std::string_view without_offset(std::string_view function) {
    if (function.starts_with("0x")) return {};
    return function.substr(0, function.rfind("+0x"));
}

Sums sums_of(const Snapshot& snapshot, const Site& site, const View& view) {
    Sums sums{.counters = site.counters};
    const Counters& all = site.counters;
    if (view.counted == Counted::allocated) {
        sums.size_bytes = all.allocated_bytes;
        sums.count = all.allocated_blocks;
    } else if (view.counted == Counted::freed) {
        sums.size_bytes = all.freed_bytes;
        sums.count = all.freed_blocks;
    } else if (!view.blocks.any()) {
        sums.size_bytes = all.live_bytes();
        sums.count = all.live_blocks();
    }
    if (!snapshot.has_blocks) return sums;
    for (const BlockGroup& blocks : site.blocks) {
        if (!view.blocks.holds(blocks)) continue;
        sums.oldest = std::max(sums.oldest.value_or(AgeStep{}), blocks.age);
        if (!view.blocks.any()) continue;
        sums.size_bytes += blocks.size_bytes * blocks.count;
        sums.count += blocks.count;
    }
    return sums;
}

}  // namespace

Place place_of(const Snapshot& snapshot, FrameId id, GroupBy by) {
    const Frame& frame = snapshot.frame(id);
    Place place{.file = source_file(snapshot.text(frame.file)), .function = {}};
    if (by == GroupBy::file) return place;
    const std::string_view function = snapshot.text(frame.function);
    if (by == GroupBy::function) {
        place.function = frame.python ? function : without_offset(function);
    } else {
        place.line = frame.line;
        if (!frame.python && frame.line == 0) place.function = function;
    }
    place.by_function = !place.function.empty();
    return place;
}

std::size_t Aggregation::PlaceHash::operator()(const Place& place) const {
    const std::hash<std::string_view> hash;
    return mixed((hash(place.file) * 31 + place.line) * 31 + hash(place.function));
}

void Aggregation::add(const Snapshot& snapshot) {
    Column& column = columns_.emplace_back(Column{&snapshot, std::vector(snapshot.frames.size(), kNone), std::vector<Sums>(groups_.size()), {}});
    const SiteFilter filter(snapshot, view_.filters, view_.lines);
    const std::vector<bool> running = snapshot.processes_that_count();
    if (columns_.size() == 1) {  // as many groups as there can be; growing step by step copies them
        const std::size_t most = view_.cumulative ? snapshot.frames.size() : snapshot.sites.size();
        groups_.reserve(most);
        column.sums.reserve(most);
    }
    places_.reserve(snapshot.frames.size());
    for (const Site& site : snapshot.sites) {
        if (view_.counted == Counted::live && site.process < running.size() && !running[site.process]) continue;
        const Sums sums = sums_of(snapshot, site, view_);
        if (sums.count != 0 && filter.passes(site)) add(column, site, sums);
    }
    for (Column& each : columns_) each.sums.resize(groups_.size());
}

void Aggregation::add(Column& column, const Site& site, const Sums& sums) {
    const auto of_frame = [&](FrameId frame) { add_to(column, group_of_place(column, site, frame), site, sums); };
    switch (view_.by) {
        case GroupBy::line:
        case GroupBy::file:
        case GroupBy::function: {
            // The first frame is Python's where there is one: no need to look at the others.
            if (!view_.cumulative && view_.lines == Lines::python) return of_frame(site.frames.front());
            const Stack stack(*column.snapshot, site, view_.lines);
            if (!view_.cumulative) return of_frame(stack.newest());
            for (std::size_t i = 0; i < stack.size(); ++i) of_frame(stack[i]);
            return;
        }
        case GroupBy::traceback: return add_to(column, group_of_stack(column, site), site, sums);
        case GroupBy::domain:
        case GroupBy::process:
        case GroupBy::thread: return add_to(column, group_of_key(column, site), site, sums);
    }
}

void Aggregation::add_to(Column& column, std::uint32_t group, const Site& site, const Sums& sums) {
    if (group >= column.sums.size()) column.sums.resize(groups_.size());
    Sums& all = column.sums[group];
    all.size_bytes += sums.size_bytes;
    all.count += sums.count;
    all.counters += sums.counters;
    if (view_.histograms) add_to_histograms(column, group, site);
    if (sums.oldest) all.oldest = std::max(all.oldest.value_or(AgeStep{}), *sums.oldest);
    const Group& known = groups_[group];
    if (known.snapshot == column.snapshot && known.site->domain == site.domain) return;
    const std::string_view domain = column.snapshot->text(site.domain);
    if (known.snapshot->text(known.site->domain) != domain) more_domains_.emplace(group, domain);
}

void Aggregation::add_to_histograms(Column& column, std::uint32_t group, const Site& site) {
    if (group >= column.histograms.size()) column.histograms.resize(groups_.size());
    for (const BlockGroup& blocks : site.blocks)
        if (view_.blocks.holds(blocks)) column.histograms[group].add(blocks);
}

BlockHistograms Aggregation::histograms(std::size_t column, std::size_t group) const {
    const std::vector<BlockHistograms>& known = columns_[column].histograms;
    return group < known.size() ? known[group] : BlockHistograms();
}

std::uint32_t Aggregation::new_group(Column& column, const Site& site, FrameId frame) {
    groups_.push_back({column.snapshot, &site, frame});
    return static_cast<std::uint32_t>(groups_.size() - 1);
}

std::uint32_t Aggregation::place_index(Column& column, FrameId frame, GroupBy by) {
    std::uint32_t& known = column.place_of_frame[static_cast<std::size_t>(frame)];
    if (known != kNone) return known;
    const Place place = place_of(*column.snapshot, frame, by);
    // Snapshots of one trace number their frames alike: the one before says where to look first.
    const Column& first = columns_.front();
    const auto index = static_cast<std::size_t>(frame);
    if (&first != &column && index < first.place_of_frame.size() && first.place_of_frame[index] != kNone) {
        const std::uint32_t guess = first.place_of_frame[index];
        if (*place_by_number_[guess] == place) return known = guess;
    }
    const auto [entry, is_new] = places_.try_emplace(place, static_cast<std::uint32_t>(places_.size()));
    if (is_new) place_by_number_.push_back(&entry->first);
    return known = entry->second;
}

std::uint32_t Aggregation::group_of_place(Column& column, const Site& site, FrameId frame) {
    const std::uint32_t place = place_index(column, frame, view_.by);
    if (place >= group_of_place_.size()) group_of_place_.resize(place + 1, kNone);
    std::uint32_t& group = group_of_place_[place];
    if (group == kNone) group = new_group(column, site, frame);
    return group;
}

std::vector<Place> Aggregation::places() const {
    std::vector<Place> places(places_.size());
    for (std::size_t number = 0; number < places.size(); ++number) places[number] = *place_by_number_[number];
    return places;
}

std::span<const std::uint32_t> Aggregation::stack_of(std::size_t group) const {
    const std::size_t begin = group == 0 ? 0 : stack_ends_[group - 1];
    return std::span(stack_places_).subspan(begin, stack_ends_[group] - begin);
}

std::uint32_t Aggregation::group_of_stack(Column& column, const Site& site) {
    const Stack stack(*column.snapshot, site, view_.lines);
    stack_.clear();
    std::uint64_t hash = stack.size();
    for (std::size_t i = 0; i < stack.size(); ++i) {
        stack_.push_back(place_index(column, stack[i], GroupBy::line));
        hash = mixed(hash ^ stack_.back()) + i;
    }
    if (stack_hashes_.size() * 2 >= stack_table_.size()) grow_stack_table();
    const std::size_t mask = stack_table_.size() - 1;
    for (std::size_t slot = hash & mask;; slot = (slot + 1) & mask) {
        const std::uint32_t group = stack_table_[slot];
        if (group == kNone) {
            stack_table_[slot] = new_group(column, site, stack.oldest());
            stack_hashes_.push_back(hash);
            stack_places_.insert(stack_places_.end(), stack_.begin(), stack_.end());
            stack_ends_.push_back(stack_places_.size());
            return stack_table_[slot];
        }
        if (stack_hashes_[group] == hash && std::ranges::equal(stack_of(group), stack_)) return group;
    }
}

void Aggregation::grow_stack_table() {
    stack_table_.assign(std::max<std::size_t>(stack_table_.size() * 2, 1024), kNone);
    const std::size_t mask = stack_table_.size() - 1;
    for (std::uint32_t group = 0; group < stack_hashes_.size(); ++group) {
        std::size_t slot = stack_hashes_[group] & mask;
        while (stack_table_[slot] != kNone) slot = (slot + 1) & mask;
        stack_table_[slot] = group;
    }
}

std::uint32_t Aggregation::group_of_key(Column& column, const Site& site) {
    const Snapshot& snapshot = *column.snapshot;
    Key key;
    if (view_.by == GroupBy::domain) {
        std::get<0>(key) = snapshot.text(site.domain);
    } else if (site.process < snapshot.processes.size()) {
        std::get<1>(key) = snapshot.processes[site.process].pid;
        std::get<2>(key) = snapshot.processes[site.process].start_time_ticks;
    }
    if (view_.by == GroupBy::thread) std::get<3>(key) = site.thread;
    const auto known = groups_by_key_.find(key);
    if (known != groups_by_key_.end()) return known->second;
    return groups_by_key_[key] = new_group(column, site, site.frames.front());
}

std::string Aggregation::domains(std::size_t group) const {
    const Group& known = groups_[group];
    const std::string_view first = known.snapshot->text(known.site->domain);
    if (more_domains_.empty()) return std::string(first);
    const auto number = static_cast<std::uint32_t>(group);
    auto more = more_domains_.lower_bound({number, {}});
    if (more == more_domains_.end() || more->first != number) return std::string(first);
    std::vector<std::string_view> names{first};
    for (; more != more_domains_.end() && more->first == number; ++more) names.push_back(more->second);
    std::sort(names.begin(), names.end());
    std::string text;
    for (const std::string_view name : names) {
        if (!text.empty()) text += ',';
        text += name;
    }
    return text;
}

}  // namespace memtrace
