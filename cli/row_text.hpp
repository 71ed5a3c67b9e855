// How the numbers and the place of a row are written for people, by whichever display shows them.
#pragma once

#include <cstdint>
#include <string>

#include "model/statistics.hpp"

namespace memtrace::cli {

/// "1 204 511": digits in groups of three.
std::string grouped(std::uint64_t number);
/// "212 k", "3.4 M"; below 10 000 as grouped().
std::string short_count(double number);

/// How much of a row is told besides its numbers.
struct WhereOptions {
    unsigned filename_parts = 3;  ///< 0: all.
    bool function = true, domain = true;
};

/// The place always shows, its right end first; the domain where there is room for it, the function in what is left. 0 columns: no limit.
std::string where_of(const Statistic& row, std::size_t columns, bool unicode, const WhereOptions& options);

/// A row for one frame of a traceback.
Statistic row_of_frame(const Statistic& row, FrameId frame);

}  // namespace memtrace::cli
