// The table of live blocks as user space groups and searches it, on tables made by hand.
#include "reader/live_blocks.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <random>

#include "support/catch.hpp"

using namespace memtrace;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t hz = 250, second = 1'000'000'000;
const mt_clock begin{5000, 77 * second};

mt_clock after(std::uint64_t seconds) { return {begin.jiffies + seconds * hz, begin.time_ns + seconds * second}; }

struct Table {
    std::vector<mt_bucket> buckets;
    std::vector<mt_site> sites;
    std::size_t used = 0;

    Table(std::size_t blocks, std::size_t site_count) : buckets((blocks + MT_BUCKET_SLOTS - 1) / MT_BUCKET_SLOTS), sites(site_count) {}
    void put(std::uint64_t slot, std::uint64_t address, const mt_block& block) {
        buckets[used / MT_BUCKET_SLOTS].keys[used % MT_BUCKET_SLOTS] = slot << MT_KEY_ADDRESS_BITS | address;
        buckets[used / MT_BUCKET_SLOTS].blocks[used % MT_BUCKET_SLOTS] = block;
        ++used;
    }
};

BlockCopy copied(const std::vector<mt_bucket>& table, const std::vector<bool>* slots = nullptr) {
    BlockCopy copy;
    copy.take(table, slots);
    return copy;
}

}  // namespace

RULE("ages follow from two readings of the clock, whatever a tick is") {
    for (const std::uint64_t ticks : {100U, 250U, 300U, 1000U}) {
        const mt_clock now{begin.jiffies + 3600 * ticks, begin.time_ns + 3600 * second};
        const Ages ages(begin, now);
        for (const std::uint64_t age : {0U, 1U, 59U, 3600U}) {
            const auto error = ages.of(static_cast<std::uint32_t>(now.jiffies - age * ticks)) - std::chrono::seconds(age);
            CHECK(std::chrono::abs(error) < 1us);
        }
    }
}

RULE("ages survive the wrap of the tick counter's low half, and a block younger than the reading has none") {
    const mt_clock start{0xffffff00, 0}, now{0x1000000ff, (0x1000000ff - 0xffffff00) * 1'000'000ULL};
    const Ages ages(start, now);
    CHECK(ages.of(0xffffffff) == 256ms);
    CHECK(ages.of(0x000000ff) == 0ms);
    CHECK(ages.of(0x00000101) == 0ms);
    CHECK(Ages(start, start).of(0xffffff00) == 0ns);
}

RULE("blocks are grouped by site, size and age; containers, foreign sites and unfinished entries are none") {
    Table table(64, 4);
    table.sites[1].slot = 7;
    table.sites[2].slot = 7;
    table.sites[3].slot = 9;
    const Ages ages(begin, after(100));
    const auto born = [&](std::uint64_t s) { return static_cast<std::uint32_t>(after(s).jiffies); };
    table.put(7, 0x1000, {16, 1, born(90)});
    table.put(7, 0x2000, {16, 1, born(90)});
    table.put(7, 0x3000, {16, 1, born(10)});
    table.put(7, 0x4000, {8, 1, born(10)});
    table.put(7, 0x5000, {0, 2, born(100)});
    table.put(9, 0x1000, {16, 3, born(90)});
    table.put(9, 0x2000, {16, 1, born(90)});  // another process's site
    table.put(7, 0x6000, {1 << 20, MT_SITE_CONTAINER, born(90)});
    table.put(7, 0x7000, {16, 4, born(90)});  // no such site
    table.buckets.back().keys[MT_BUCKET_SLOTS - 1] = MT_KEY_BUSY;
    const GroupedBlocks blocks(copied(table.buckets).entries(), table.sites, ages);
    CHECK(blocks.of(0).empty());
    CHECK(blocks.of(1) == std::vector<BlockGroup>{{8, age_step(90s), 1}, {16, age_step(10s), 2}, {16, age_step(90s), 1}});
    CHECK(blocks.of(2) == std::vector<BlockGroup>{{0, age_step(0s), 1}});
    CHECK(blocks.of(3) == std::vector<BlockGroup>{{16, age_step(10s), 1}});
    CHECK(blocks.of(4).empty());
    CHECK(GroupedBlocks().of(0).empty());

    std::vector<bool> only(10, false);
    only[9] = true;
    const GroupedBlocks ended(copied(table.buckets, &only).entries(), table.sites, ages);
    CHECK(ended.of(1).empty());
    CHECK(ended.of(3).size() == 1);
}

RULE("any table's groups are those of a plain count, sizes beyond all address spaces included") {
    std::mt19937_64 random(7);
    constexpr std::size_t count = 60'000;
    const auto site_count = static_cast<std::uint32_t>(GENERATE(1, 2, 500));
    Table table(count, site_count);
    const Ages ages(begin, after(1000));
    std::vector<std::map<std::pair<std::uint64_t, AgeStep>, std::uint64_t>> expected(site_count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto site = static_cast<std::uint32_t>(random() % site_count);
        const std::uint64_t size = i % 1000 == 0 ? random() : i % 3 == 0 ? random() % 1'000'000 : random() % 64;
        const auto time = static_cast<std::uint32_t>(begin.jiffies + random() % (1000 * hz));
        table.put(0, 16 * (i + 1), {size, site, time});
        ++expected[site][{std::min<std::uint64_t>(size, (1ULL << 54) - 1), age_step(ages.of(time))}];
    }
    const GroupedBlocks blocks(copied(table.buckets).entries(), table.sites, ages);
    for (std::uint32_t site = 0; site < site_count; ++site) {
        std::vector<BlockGroup> groups;
        for (const auto& [what, blocks_of_it] : expected[site]) groups.push_back({what.first, what.second, blocks_of_it});
        REQUIRE(blocks.of(site) == groups);
    }
}

RULE("counters agree with the blocks that were found, moved up and never down") {
    const std::vector<BlockGroup> blocks{{10, AgeStep(0), 3}, {100, AgeStep(1), 1}};  // 4 blocks, 130 bytes
    Counters same{10, 1000, 6, 870};
    agree(same, blocks);
    CHECK(same == Counters{10, 1000, 6, 870});
    Counters fewer{10, 1000, 7, 900};
    agree(fewer, blocks);
    CHECK(fewer == Counters{11, 1030, 7, 900});
    Counters more{10, 1000, 5, 800};
    agree(more, blocks);
    CHECK(more == Counters{10, 1000, 6, 870});
    Counters torn{0, 0, 1, 10};
    agree(torn, {});
    CHECK(torn == Counters{1, 10, 1, 10});
}

RULE("an address is found at a block's start, else inside the nearest block around it") {
    Table table(16, 1);
    table.put(3, 0x10000, {0x10000, 0, 1});  // around the next two
    table.put(3, 0x12000, {0x100, 0, 2});
    table.put(3, 0x12100, {0x100, 0, 3});
    table.put(3, 0x12200, {0, 0, 4});
    table.put(3, 0x14000, {0x1000, MT_SITE_CONTAINER, 5});
    table.put(4, 0x12000, {0x1000, 0, 6});
    const auto start = [&](std::uint64_t address, std::uint16_t slot = 3) {
        const std::optional<LiveBlock> found = find_block(table.buckets, slot, address);
        return found ? found->address : 0;
    };
    CHECK(start(0x12000) == 0x12000);
    CHECK(start(0x12010) == 0x12000);
    CHECK(start(0x120ff) == 0x12000);
    CHECK(start(0x12100) == 0x12100);
    CHECK(start(0x12200) == 0x12200);  // of no size, but a block
    CHECK(start(0x12201) == 0x10000);
    CHECK(start(0x14010) == 0x10000);
    CHECK(start(0x1ffff) == 0x10000);
    CHECK(start(0x20000) == 0);
    CHECK(start(0xffff) == 0);
    CHECK(start(0x12800, 4) == 0x12000);
    CHECK(start(0x12000, 5) == 0);
}
