// Statistics and differences as data for other programs: JSON, CSV. Both are described in the manual page and keep their members.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/statistics.hpp"

namespace memtrace {

/// One row: a statistic, perhaps what changed, perhaps how it came to that.
struct ReportRow {
    const Statistic* now = nullptr;
    const StatisticDiff* diff = nullptr;
    const Growth* growth = nullptr;

    explicit ReportRow(const Statistic& row) : now(&row) {}
    explicit ReportRow(const StatisticDiff& row) : now(&row.now), diff(&row) {}
    explicit ReportRow(const Growth& row) : now(&row.diff.now), diff(&row.diff), growth(&row) {}
};

/// What JSON and CSV tell. Refers to all of it.
struct Report {
    std::span<const Snapshot> snapshots;  ///< Oldest first; the last one is shown, the others compared with.
    const View& view;
    std::vector<ReportRow> rows;
    std::size_t limit = 0;                        ///< Rows that are told; 0: all.
    const BlockHistograms* histograms = nullptr;  ///< Of all rows.
};

/// One object. Bytes of names that are not UTF-8 become the text \xNN.
std::string encode_report_json(const Report& report);
/// A header, then a row a line (RFC 4180, but lines end in \n). What does not apply is empty. Names as above; a traceback is one field,
/// newest frame first, a line a frame.
std::string encode_report_csv(const Report& report);

}  // namespace memtrace
