// Sizes and ages of blocks by powers of two.
#include "model/histogram.hpp"

#include "model/statistics.hpp"
#include "support/catch.hpp"

using namespace memtrace;

namespace {

// Two lines, the second with an older block; in two processes.
Snapshot sample() {
    Snapshot snapshot;
    Interner interner(snapshot);
    snapshot.has_blocks = snapshot.has_temporaries = true;
    snapshot.processes.resize(2);
    const FrameId a = interner.frame({"a.c", 1, "f", false}), b = interner.frame({"b.c", 2, "g", false});
    snapshot.sites = {{0, interner.string("malloc"), {a, b}, 2, {10, 160, 5, 80, 3}}, {1, interner.string("malloc"), {b}, 1, {4, 4000, 1, 1000, 1}}};
    snapshot.sites[0].blocks = {{16, age_step(std::chrono::milliseconds(0)), 3}, {16, age_step(std::chrono::milliseconds(5)), 2}};
    snapshot.sites[1].blocks = {{1000, age_step(std::chrono::seconds(10)), 3}};
    return snapshot;
}

std::uint64_t blocks_of(const Histogram& histogram) {
    std::uint64_t sum = 0;
    for (const Histogram::Bin& bin : histogram.bins) sum += bin.blocks;
    return sum;
}

}  // namespace

RULE("every value is in the one bin between whose edges it lies") {
    for (unsigned bit = 0; bit < 64; ++bit) {
        for (const std::uint64_t value : {(std::uint64_t{1} << bit) - 1, std::uint64_t{1} << bit, (std::uint64_t{1} << bit) + 1}) {
            Histogram histogram;
            histogram.add(value, {2, 7});
            const std::size_t bin = histogram.bins.size() - 1;
            INFO(value);
            CHECK(histogram.bins[bin] == Histogram::Bin{2, 7});
            CHECK(Histogram::least(bin) <= value);
            CHECK(value <= Histogram::most(bin));
        }
    }
    Histogram largest;
    largest.add(~std::uint64_t{0}, {1, 1});
    CHECK(largest.bins.size() == 65);
    CHECK(Histogram::most(64) == ~std::uint64_t{0});
}

RULE("histograms of groups add up to what the groups hold, and within bounds to what is within") {
    const Snapshot snapshot = sample();
    View view;
    view.histograms = true;
    const std::vector<Statistic> rows = statistics(snapshot, view);
    REQUIRE(rows.size() == 2);
    CHECK(blocks_of(rows[0].histograms.sizes) == 3);
    CHECK(rows[0].histograms.sizes.bins.at(10) == Histogram::Bin{3, 3000});
    CHECK(rows[0].histograms.ages_ms.bins.at(14) == Histogram::Bin{3, 3000});
    CHECK(rows[1].histograms.sizes.bins.at(5) == Histogram::Bin{5, 80});
    CHECK(rows[1].histograms.ages_ms.bins.at(0) == Histogram::Bin{3, 48});
    CHECK(rows[1].histograms.ages_ms.bins.at(3) == Histogram::Bin{2, 32});
    BlockHistograms sum = rows[0].histograms;
    sum += rows[1].histograms;
    CHECK(histograms(snapshot, {}) == sum);
    view.blocks.older = std::chrono::milliseconds(5);
    CHECK(blocks_of(histograms(snapshot, view).sizes) == 5);
    view.cumulative = true;
    CHECK(blocks_of(histograms(snapshot, view).sizes) == 5);
}

RULE("without being asked for groups have no histograms, and what has no blocks cannot be asked") {
    Snapshot snapshot = sample();
    CHECK(statistics(snapshot).front().histograms.empty());
    View view;
    view.histograms = true;
    CHECK(check(view, snapshot));
    snapshot.has_blocks = false;
    CHECK_FALSE(check(view, snapshot));
    view.counted = Counted::allocated;
    CHECK_FALSE(check(view));
}

RULE("rows tell temporary blocks, and what came since the earlier snapshot; after all was forgotten, since then") {
    const Snapshot before = sample();
    Snapshot after = sample();
    after.sites[0].counters = {25, 400, 11, 176, 9};
    after.sites[1].counters = {2, 2000, 0, 0, 0};
    after.sites[1].blocks = {{1000, AgeStep{}, 2}};
    std::vector<StatisticDiff> rows = compare(before, after);
    sort(rows, Order::alloc_rate);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].since == Counters{15, 240, 6, 96, 6});
    CHECK(rows[0].now.temporaries_known);
    CHECK(rows[0].now.counters.temporary_blocks == 9);
    CHECK(rows[1].since == Counters{2, 2000, 0, 0, 0});
    sort(rows, Order::temporary);
    CHECK(rows[0].now.counters.temporary_blocks == 9);
    sort(rows, Order::free_rate);
    CHECK(rows[0].since.freed_blocks == 6);
}
