#include "model/histogram.hpp"

#include <algorithm>
#include <bit>

namespace memtrace {

void Histogram::add(std::uint64_t value, const Bin& more) {
    const auto bin = static_cast<std::size_t>(std::bit_width(value));
    if (bin >= bins.size()) bins.resize(bin + 1);
    bins[bin].blocks += more.blocks;
    bins[bin].bytes += more.bytes;
}

Histogram& Histogram::operator+=(const Histogram& other) {
    bins.resize(std::max(bins.size(), other.bins.size()));
    for (std::size_t i = 0; i < other.bins.size(); ++i) {
        bins[i].blocks += other.bins[i].blocks;
        bins[i].bytes += other.bins[i].bytes;
    }
    return *this;
}

void BlockHistograms::add(const BlockGroup& blocks) {
    const Histogram::Bin more{blocks.count, blocks.count * blocks.size_bytes};
    sizes.add(blocks.size_bytes, more);
    ages_ms.add(static_cast<std::uint64_t>(age_of(blocks.age).count()), more);
}

BlockHistograms& BlockHistograms::operator+=(const BlockHistograms& other) {
    sizes += other.sizes;
    ages_ms += other.ages_ms;
    return *this;
}

}  // namespace memtrace
