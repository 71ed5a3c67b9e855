// Which columns the table has at which width: the place always has room, what matters least goes first.
#pragma once

#include <cstdint>
#include <vector>

#include "format/text.hpp"
#include "screen/table.hpp"

namespace memtrace::cli::screen {

enum class Field : std::uint8_t { rank, size, change, share, count, average, rate, age, allocated, freed, trend, rss, peak, domain, where };

struct Placed {
    Field field = Field::rank;
    unsigned from = 0, width = 0;  ///< Numbers stand at the right of it; a column of space follows.
    bool operator==(const Placed&) const = default;
};

struct LayoutWants {
    unsigned columns = 80;
    std::size_t rows = 0;  ///< Of the table: their ranks have so many digits.
    GroupBy by = GroupBy::line;
    bool ages = false;                       ///< They are known.
    std::vector<Column> columns_asked = {};  ///< With --show: these and no others, as far as there is room.
};

/// From left to right; `where` takes all that is left.
std::vector<Placed> layout(const LayoutWants& wants);

/// By which order a column can be sorted, if by any.
std::optional<SortBy> sort_of(Field field);
const char* head_of(Field field);

}  // namespace memtrace::cli::screen
