// The rows of the display: grouped, filtered by a text, sorted. Made anew at each refresh; only rows that are looked at cost a Statistic.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/statistics.hpp"
#include "model/view.hpp"

namespace memtrace::cli::screen {

enum class SortBy : std::uint8_t { size, change, count, average, rate, age };

/// What tells a row from all others, in every snapshot of the same trace.
struct RowKey {
    struct Frame {
        std::string file;
        std::uint32_t line = 0;
        std::string function;  ///< As in Place.
        bool operator==(const Frame&) const = default;
    };
    GroupBy by = GroupBy::line;
    std::vector<Frame> frames;  ///< Newest first; one of them, unless by traceback. By domain, process and thread none.
    std::string domain;         ///< Where blocks are grouped by it.
    std::int32_t pid = 0;       ///< The same for these.
    std::uint64_t start_time_ticks = 0;
    std::int32_t thread = 0;
    bool operator==(const RowKey&) const = default;
};

/// Whether the blocks of a site belong to a row. By line, file and function: by the newest frame; cumulative: by any.
bool belongs(const Snapshot& snapshot, const Site& site, const View& view, const RowKey& key);

struct TableQuery {
    View view;
    SortBy sort = SortBy::size;
    bool reversed = false;
    std::string text;  ///< Rows whose file, line, function or domain contain it; case does not count.
    bool operator==(const TableQuery&) const = default;
};

/// Not moved: it refers to its own query.
class Table {
public:
    /// `base`: what changes are since; null: there are none.
    Table(std::shared_ptr<const Snapshot> now, std::shared_ptr<const Snapshot> base, TableQuery query);
    Table(const Table&) = delete;
    Table& operator=(const Table&) = delete;

    /// Why there are no rows; null: none are needed or found.
    [[nodiscard]] const std::optional<Error>& problem() const { return problem_; }
    [[nodiscard]] std::size_t size() const { return rows_.size(); }
    /// How many rows there are without the text.
    [[nodiscard]] std::size_t all() const { return all_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }          ///< Of rows that have the text.
    [[nodiscard]] std::uint64_t all_bytes() const { return all_bytes_; }  ///< Of all.
    [[nodiscard]] StatisticDiff row(std::size_t index) const;
    /// Bytes a second since the base, else since tracing began; none where no time has passed.
    [[nodiscard]] std::optional<double> rate(std::size_t index) const;
    [[nodiscard]] RowKey key(std::size_t index) const;
    /// A number that stands for the key.
    [[nodiscard]] std::uint64_t hash(std::size_t index) const;
    [[nodiscard]] std::uint64_t size_of(std::size_t index) const { return rows_[index].bytes; }
    [[nodiscard]] std::optional<std::size_t> find(const RowKey& key) const;

    [[nodiscard]] const TableQuery& query() const { return query_; }
    [[nodiscard]] const std::shared_ptr<const Snapshot>& now() const { return now_; }
    [[nodiscard]] const std::shared_ptr<const Snapshot>& base() const { return base_; }

private:
    struct Row {
        std::uint32_t group = 0;
        std::uint64_t bytes = 0;
        std::int64_t rank = 0;
    };
    [[nodiscard]] bool has_text(std::uint32_t group, std::string& scratch) const;
    [[nodiscard]] std::int64_t rank_of(std::uint32_t group) const;
    [[nodiscard]] std::int64_t change_of(std::uint32_t group) const;
    [[nodiscard]] bool is(std::uint32_t group, const RowKey& key) const;
    [[nodiscard]] RowKey key_of(std::uint32_t group) const;

    std::shared_ptr<const Snapshot> now_, base_;
    TableQuery query_;
    Aggregation groups_;
    std::vector<Row> rows_;
    std::size_t all_ = 0;
    std::uint64_t bytes_ = 0, all_bytes_ = 0;
    std::optional<Error> problem_;
};

}  // namespace memtrace::cli::screen
