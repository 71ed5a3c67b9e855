// Histograms for people and for other programs.
#pragma once

#include <string>
#include <vector>

#include "format/json_text.hpp"
#include "model/histogram.hpp"

namespace memtrace {

struct HistogramStyle {
    bool unicode = false;  ///< Bars of eighths of a character; else of whole ones.
    bool colour = false;   ///< Of the bars.
    unsigned bar = 40;     ///< Columns of the longest bar.
};

/// A table of sizes, then one of ages: a header each, then a line a bin from the first that has blocks to the last, such as
/// "[16 B, 32 B)         1204     20.1 KiB  ########". Bars are as long as their bins have blocks. Nothing where there are no blocks.
std::vector<std::string> format_histograms(const BlockHistograms& histograms, const HistogramStyle& style);

/// {"sizes": [{"from", "to", "blocks", "bytes"}…], "ages": [{"from_seconds", "to_seconds", "blocks", "bytes"}…]}; "to" is the largest
/// value of a bin, "to_seconds" the least that is beyond it.
void write_histograms(JsonWriter& to, const BlockHistograms& histograms);

}  // namespace memtrace
