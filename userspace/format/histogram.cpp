#include "format/histogram.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "format/text.hpp"

namespace memtrace {
namespace {

constexpr double milliseconds_a_second = 1000;

// A power of two of bytes: "16 B", "1 KiB", "512 MiB".
std::string power_of_bytes(std::size_t exponent) {
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    return fmt::format("{} {}", std::uint64_t{1} << exponent % 10, units[std::min(exponent / 10, units.size() - 1)]);
}

std::string size_edge(std::size_t bin) { return bin == 0 ? "0 B" : power_of_bytes(bin - 1); }

std::string age_edge(std::size_t bin) {
    const std::uint64_t ms = Histogram::least(bin);
    return ms < 1000 ? fmt::format("{} ms", ms) : format_duration(std::chrono::milliseconds(ms));
}

std::string bar(std::uint64_t part, std::uint64_t whole, const HistogramStyle& style) {
    if (part == 0) return {};
    constexpr std::array eighths{"", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a", "\u2589"};
    const double columns = static_cast<double>(part) / static_cast<double>(whole) * style.bar;
    std::string text;
    if (style.unicode) {
        const auto parts = std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(columns * 8)));
        for (std::size_t i = 0; i < parts / 8; ++i) text += "\u2588";
        text += eighths[parts % 8];
    } else {
        text.assign(std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(columns))), '#');
    }
    return "  " + (style.colour ? "\033[36m" + text + "\033[0m" : text);
}

void append(std::vector<std::string>& lines, const char* title, const Histogram& histogram, const HistogramStyle& style,
            std::string (*edge)(std::size_t)) {
    std::uint64_t most = 0;
    for (const Histogram::Bin& bin : histogram.bins) most = std::max(most, bin.blocks);
    if (most == 0) return;
    lines.push_back(fmt::format("{:<24} {:>12} {:>12}", title, "blocks", "bytes"));
    std::size_t first = 0;
    while (histogram.bins[first].blocks == 0) ++first;
    for (std::size_t i = first; i < histogram.bins.size(); ++i) {
        const Histogram::Bin& bin = histogram.bins[i];
        lines.push_back(fmt::format("{:<24} {:>12} {:>12}{}", fmt::format("[{}, {})", edge(i), edge(i + 1)), bin.blocks, format_size(bin.bytes),
                                    bar(bin.blocks, most, style)));
    }
}

}  // namespace

std::vector<std::string> format_histograms(const BlockHistograms& histograms, const HistogramStyle& style) {
    std::vector<std::string> lines;
    append(lines, "size", histograms.sizes, style, size_edge);
    append(lines, "age", histograms.ages_ms, style, age_edge);
    return lines;
}

void write_histograms(JsonWriter& to, const BlockHistograms& histograms) {
    const auto write_bins = [&to](const char* name, const Histogram& histogram, auto write_range) {
        to.key(name).begin_array();
        for (std::size_t i = 0; i < histogram.bins.size(); ++i) {
            const Histogram::Bin& bin = histogram.bins[i];
            if (bin.blocks == 0) continue;
            to.begin_object();
            write_range(i);
            to.member("blocks", bin.blocks).member("bytes", bin.bytes).end_object();
        }
        to.end_array();
    };
    to.begin_object();
    write_bins("sizes", histograms.sizes, [&to](std::size_t i) { to.member("from", Histogram::least(i)).member("to", Histogram::most(i)); });
    write_bins("ages", histograms.ages_ms, [&to](std::size_t i) {
        to.member("from_seconds", static_cast<double>(Histogram::least(i)) / milliseconds_a_second);
        to.member("to_seconds", static_cast<double>(Histogram::least(i + 1)) / milliseconds_a_second);
    });
    to.end_object();
}

}  // namespace memtrace
