// The one grouping of blocks that all statistics, differences and tops are made from.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/histogram.hpp"
#include "model/view.hpp"

namespace memtrace {

/// What a frame is called in a view. Refers to the snapshot's strings.
struct Place {
    std::string_view file;  ///< `.pyc` is read as `.py`.
    std::uint32_t line = 0;
    std::string_view function;  ///< Empty unless by_function.
    bool by_function = false;   ///< The function tells groups apart: native code without lines, or GroupBy::function.
    bool operator==(const Place&) const = default;
};

Place place_of(const Snapshot& snapshot, FrameId frame, GroupBy by);

/// What a group holds in one snapshot.
struct Sums {
    std::uint64_t size_bytes = 0;  ///< Of the blocks that count.
    std::uint64_t count = 0;
    Counters counters;              ///< Of all its blocks, whatever counts.
    std::optional<AgeStep> oldest;  ///< Of those that count; none: not known.
    bool operator==(const Sums&) const = default;
};

/// Groups of one snapshot or more: a column each. Refers to the snapshots and the view, whose checks must have passed.
/// Indexes of a snapshot must be in range (those of decode_snapshot() and Interner are).
class Aggregation {
public:
    explicit Aggregation(const View& view) : view_(view) {}
    Aggregation(const Aggregation&) = delete;
    Aggregation& operator=(const Aggregation&) = delete;

    /// Blocks of processes that ended count as live only when none runs.
    void add(const Snapshot& snapshot);

    struct Group {
        const Snapshot* snapshot = nullptr;  ///< Where it was first seen …
        const Site* site = nullptr;          ///< … and with which site. An example: others of the group may differ in all but the key.
        FrameId frame{};                     ///< Of the site: the one the key was made from; by traceback the oldest.
    };
    [[nodiscard]] const std::vector<Group>& groups() const { return groups_; }
    [[nodiscard]] const Sums& sums(std::size_t column, std::size_t group) const { return columns_[column].sums[group]; }
    [[nodiscard]] const Snapshot& snapshot(std::size_t column) const { return *columns_[column].snapshot; }
    /// Of the blocks that count, where the view wants histograms; empty elsewhere.
    [[nodiscard]] BlockHistograms histograms(std::size_t column, std::size_t group) const;
    /// By traceback: the stack of a group as numbers of places, newest first …
    [[nodiscard]] std::span<const std::uint32_t> stack_of(std::size_t group) const;
    /// … and the places by these numbers.
    [[nodiscard]] std::vector<Place> places() const;
    /// Names of the domains of a group's blocks in all columns, sorted, joined by ','.
    [[nodiscard]] std::string domains(std::size_t group) const;

private:
    struct Column {
        const Snapshot* snapshot;
        std::vector<std::uint32_t> place_of_frame;  ///< As far as asked for.
        std::vector<Sums> sums;                     ///< By group.
        std::vector<BlockHistograms> histograms;    ///< Likewise, where they are wanted; may be shorter.
    };
    struct PlaceHash {
        std::size_t operator()(const Place& place) const;
    };

    void add(Column& column, const Site& site, const Sums& sums);
    void add_to(Column& column, std::uint32_t group, const Site& site, const Sums& sums);
    void add_to_histograms(Column& column, std::uint32_t group, const Site& site);
    std::uint32_t place_index(Column& column, FrameId frame, GroupBy by);
    std::uint32_t group_of_place(Column& column, const Site& site, FrameId frame);
    std::uint32_t group_of_stack(Column& column, const Site& site);
    std::uint32_t group_of_key(Column& column, const Site& site);
    std::uint32_t new_group(Column& column, const Site& site, FrameId frame);
    void grow_stack_table();

    const View& view_;
    std::vector<Column> columns_;
    std::vector<Group> groups_;
    std::set<std::pair<std::uint32_t, std::string_view>> more_domains_;  ///< Of groups with several.
    std::unordered_map<Place, std::uint32_t, PlaceHash> places_;
    std::vector<const Place*> place_by_number_;  ///< In places_.
    std::vector<std::uint32_t> group_of_place_;
    using Key = std::tuple<std::string_view, std::int32_t, std::uint64_t, std::int32_t>;  ///< Domain, process (pid and start), thread.
    std::map<Key, std::uint32_t> groups_by_key_;
    // By traceback: open addressing, a power of two, at most half full; the stacks as numbers of places, one after another.
    std::vector<std::uint32_t> stack_table_;
    std::vector<std::uint64_t> stack_hashes_;
    std::vector<std::size_t> stack_ends_;
    std::vector<std::uint32_t> stack_places_;
    std::vector<std::uint32_t> stack_;
};

}  // namespace memtrace
