#include "screen/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <iterator>

namespace memtrace::cli::screen {
namespace {

RowKey::Frame frame_of(const Place& place) { return {std::string(place.file), place.line, std::string(place.function)}; }

bool same(const RowKey::Frame& frame, const Place& place) {
    return frame.line == place.line && frame.file == place.file && frame.function == place.function;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

void append_lower(std::string& text, std::string_view more) { std::transform(more.begin(), more.end(), std::back_inserter(text), lower); }

const Process* process_of(const Snapshot& snapshot, const Site& site) {
    return site.process < snapshot.processes.size() ? &snapshot.processes[site.process] : nullptr;
}

bool same_stack(const Snapshot& snapshot, const Stack& stack, const RowKey& key) {
    if (stack.size() != key.frames.size()) return false;
    for (std::size_t i = 0; i < stack.size(); ++i)
        if (!same(key.frames[i], place_of(snapshot, stack[i], GroupBy::line))) return false;
    return true;
}

bool same_process(const Snapshot& snapshot, const Site& site, const RowKey& key) {
    const Process* process = process_of(snapshot, site);
    return process ? process->pid == key.pid && process->start_time_ticks == key.start_time_ticks : key.pid == 0;
}

// Without the names of threads and commands: a key is a number there.
bool is_of_frames(GroupBy by) { return by == GroupBy::line || by == GroupBy::file || by == GroupBy::function || by == GroupBy::traceback; }

std::uint64_t mixed(std::uint64_t hash, std::uint64_t more) {
    hash = (hash ^ more) * 0x9e3779b97f4a7c15U;
    return hash ^ hash >> 29;
}

}  // namespace

bool belongs(const Snapshot& snapshot, const Site& site, const View& view, const RowKey& key) {
    const Stack stack(snapshot, site, view.lines);
    switch (key.by) {
        case GroupBy::line:
        case GroupBy::file:
        case GroupBy::function: {
            const std::size_t frames = view.cumulative ? stack.size() : 1;
            for (std::size_t i = 0; i < frames; ++i)
                if (same(key.frames.front(), place_of(snapshot, stack[i], key.by))) return true;
            return false;
        }
        case GroupBy::traceback: return same_stack(snapshot, stack, key);
        case GroupBy::domain: return snapshot.text(site.domain) == key.domain;
        case GroupBy::process: return same_process(snapshot, site, key);
        case GroupBy::thread: return site.thread == key.thread && same_process(snapshot, site, key);
    }
    return false;
}

Table::Table(std::shared_ptr<const Snapshot> now, std::shared_ptr<const Snapshot> base, TableQuery query)
    : now_(std::move(now)), base_(std::move(base)), query_(std::move(query)), groups_(query_.view) {
    if (Result<void> sense = check(query_.view, *now_); !sense) {
        problem_ = sense.error();
        return;
    }
    // Of another trace, without what this view needs: no changes are known then.
    if (base_ && !check(query_.view, *base_)) base_.reset();
    groups_.add(*now_);
    if (base_) groups_.add(*base_);
    std::transform(query_.text.begin(), query_.text.end(), query_.text.begin(), lower);
    rows_.reserve(groups_.groups().size());
    std::string scratch;
    for (std::uint32_t group = 0; group < groups_.groups().size(); ++group) {
        const Sums& sums = groups_.sums(0, group);
        // Rows that are gone show where what changed is asked for.
        if (sums.count == 0 && query_.sort != SortBy::change) continue;
        ++all_;
        all_bytes_ += sums.size_bytes;
        if (!query_.text.empty() && !has_text(group, scratch)) continue;
        bytes_ += sums.size_bytes;
        rows_.push_back({group, sums.size_bytes, rank_of(group)});
    }
    // Equal rows stay where they are: in the order in which the trace has seen them.
    std::sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) {
        if (a.rank != b.rank) return a.rank > b.rank;
        return a.bytes != b.bytes ? a.bytes > b.bytes : a.group < b.group;
    });
    if (query_.reversed) std::reverse(rows_.begin(), rows_.end());
}

std::int64_t Table::change_of(std::uint32_t group) const {
    return base_ ? static_cast<std::int64_t>(groups_.sums(0, group).size_bytes - groups_.sums(1, group).size_bytes) : 0;
}

std::int64_t Table::rank_of(std::uint32_t group) const {
    const Sums& sums = groups_.sums(0, group);
    const auto bytes = static_cast<std::int64_t>(std::min<std::uint64_t>(sums.size_bytes, INT64_MAX));
    switch (query_.sort) {
        case SortBy::size: return bytes;
        case SortBy::change: return change_of(group);
        case SortBy::count: return static_cast<std::int64_t>(sums.count);
        case SortBy::average: return sums.count ? static_cast<std::int64_t>(sums.size_bytes / sums.count) : 0;
        case SortBy::rate: return base_ ? change_of(group) : bytes;
        case SortBy::age: return sums.oldest ? std::chrono::milliseconds(age_of(*sums.oldest)).count() : -1;
    }
    return 0;
}

bool Table::has_text(std::uint32_t number, std::string& scratch) const {
    const Aggregation::Group& group = groups_.groups()[number];
    const Snapshot& snapshot = *group.snapshot;
    scratch.clear();
    if (is_of_frames(query_.view.by)) {
        const Place place = place_of(snapshot, group.frame, query_.view.by);
        append_lower(scratch, place.file);
        if (query_.view.by != GroupBy::file) fmt::format_to(std::back_inserter(scratch), ":{} ", place.line);
        if (query_.view.by != GroupBy::file) append_lower(scratch, snapshot.text(snapshot.frame(group.frame).function));
    } else if (query_.view.by != GroupBy::domain) {
        const Process* process = process_of(snapshot, *group.site);
        fmt::format_to(std::back_inserter(scratch), "{} ", process ? process->pid : 0);
        if (process) append_lower(scratch, process->command);
        if (query_.view.by == GroupBy::thread) fmt::format_to(std::back_inserter(scratch), " {} ", group.site->thread);
        if (query_.view.by == GroupBy::thread) append_lower(scratch, snapshot.text(group.site->thread_name));
    }
    scratch += ' ';
    scratch += groups_.domains(number);
    return memmem(scratch.data(), scratch.size(), query_.text.data(), query_.text.size()) != nullptr;
}

StatisticDiff Table::row(std::size_t index) const {
    const std::uint32_t group = rows_[index].group;
    StatisticDiff row{statistic(groups_, 0, group, query_.view), change_of(group), 0};
    if (base_) row.count_diff = static_cast<std::int64_t>(groups_.sums(0, group).count - groups_.sums(1, group).count);
    return row;
}

std::optional<double> Table::rate(std::size_t index) const {
    const std::uint32_t group = rows_[index].group;
    // Wall clock: also between the snapshots of two traces.
    const auto time = base_ ? now_->time - base_->time : now_->traced_for;
    if (time.count() <= 0) return std::nullopt;
    const double bytes = base_ ? static_cast<double>(change_of(group)) : static_cast<double>(rows_[index].bytes);
    return bytes / std::chrono::duration<double>(time).count();
}

RowKey Table::key(std::size_t index) const { return key_of(rows_[index].group); }

RowKey Table::key_of(std::uint32_t number) const {
    const Aggregation::Group& group = groups_.groups()[number];
    const View& view = query_.view;
    RowKey key{.by = view.by, .frames = {}, .domain = {}};
    if (view.by == GroupBy::traceback) {
        const Stack stack(*group.snapshot, *group.site, view.lines);
        for (std::size_t i = 0; i < stack.size(); ++i) key.frames.push_back(frame_of(place_of(*group.snapshot, stack[i], GroupBy::line)));
    } else if (is_of_frames(view.by)) {
        key.frames.push_back(frame_of(place_of(*group.snapshot, group.frame, view.by)));
    } else if (view.by == GroupBy::domain) {
        key.domain = group.snapshot->text(group.site->domain);
    } else {
        if (const Process* process = process_of(*group.snapshot, *group.site)) {
            key.pid = process->pid;
            key.start_time_ticks = process->start_time_ticks;
        }
        if (view.by == GroupBy::thread) key.thread = group.site->thread;
    }
    return key;
}

bool Table::is(std::uint32_t number, const RowKey& key) const {
    const Aggregation::Group& group = groups_.groups()[number];
    if (is_of_frames(key.by) && key.by != GroupBy::traceback) return same(key.frames.front(), place_of(*group.snapshot, group.frame, key.by));
    View view = query_.view;
    view.cumulative = false;
    return belongs(*group.snapshot, *group.site, view, key);
}

std::optional<std::size_t> Table::find(const RowKey& key) const {
    if (key.by != query_.view.by) return std::nullopt;
    for (std::size_t i = 0; i < rows_.size(); ++i)
        if (is(rows_[i].group, key)) return i;
    return std::nullopt;
}

std::uint64_t Table::hash(std::size_t index) const {
    const Aggregation::Group& group = groups_.groups()[rows_[index].group];
    const std::hash<std::string_view> text;
    std::uint64_t hash = static_cast<std::uint64_t>(query_.view.by);
    const auto add = [&](const Place& place) { hash = mixed(mixed(mixed(hash, text(place.file)), place.line), text(place.function)); };
    if (query_.view.by == GroupBy::traceback) {
        const Stack stack(*group.snapshot, *group.site, query_.view.lines);
        for (std::size_t i = 0; i < stack.size(); ++i) add(place_of(*group.snapshot, stack[i], GroupBy::line));
        return hash;
    }
    if (is_of_frames(query_.view.by)) {
        add(place_of(*group.snapshot, group.frame, query_.view.by));
        return hash;
    }
    const RowKey key = key_of(rows_[index].group);
    return mixed(mixed(mixed(mixed(hash, text(key.domain)), static_cast<std::uint64_t>(key.pid)), key.start_time_ticks),
                 static_cast<std::uint64_t>(key.thread));
}

}  // namespace memtrace::cli::screen
