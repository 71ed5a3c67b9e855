// How the sizes and ages of blocks are spread, by powers of two.
#pragma once

#include <cstdint>
#include <vector>

#include "model/snapshot.hpp"

namespace memtrace {

/// Bin 0 is for the value 0, bin k > 0 for those from 2^(k-1) to 2^k - 1. As many bins as the largest value wants.
struct Histogram {
    struct Bin {
        std::uint64_t blocks = 0;
        std::uint64_t bytes = 0;  ///< Of these blocks.
        bool operator==(const Bin&) const = default;
    };
    std::vector<Bin> bins;

    void add(std::uint64_t value, const Bin& more);
    Histogram& operator+=(const Histogram& other);
    /// The least and the largest value of a bin.
    static std::uint64_t least(std::size_t bin) { return bin == 0 ? 0 : std::uint64_t{1} << (bin - 1); }
    static std::uint64_t most(std::size_t bin) { return bin == 0 ? 0 : least(bin) + (least(bin) - 1); }
    bool operator==(const Histogram&) const = default;
};

/// Of live blocks.
struct BlockHistograms {
    Histogram sizes;    ///< By bytes.
    Histogram ages_ms;  ///< By milliseconds; ages are told in steps (model/age.hpp), each of which is in one bin.

    void add(const BlockGroup& blocks);
    BlockHistograms& operator+=(const BlockHistograms& other);
    [[nodiscard]] bool empty() const { return sizes.bins.empty(); }
    bool operator==(const BlockHistograms&) const = default;
};

}  // namespace memtrace
