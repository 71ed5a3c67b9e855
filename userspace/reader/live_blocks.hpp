// The kernel's table of live blocks as user space sees it: how old blocks are, how many of a site are alike, which one an address is in.
// Pure functions of the table, which may change while it is read: a block is taken whole or not at all.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "memtrace.h"
#include "model/snapshot.hpp"

namespace memtrace {

/// Ages by the kernel's ticks. How long a tick is follows from two readings of the clock, before the oldest block and now: nothing is
/// assumed of the kernel, and no error adds up. True to a tick; where there were 2^32 ticks between the two (49 days of 1000 a second),
/// blocks older than that seem young.
class Ages {
public:
    Ages(const mt_clock& begin, const mt_clock& now);
    [[nodiscard]] std::chrono::nanoseconds of(std::uint32_t time_jiffies) const;

private:
    std::uint64_t elapsed_ticks_;
    std::uint32_t now_;
    double tick_ns_ = 0;
};

/// What the table holds at one moment, copied as fast as memory allows: nobody is held for longer than that. 24 bytes a block.
class BlockCopy {
public:
    struct Entry {
        std::uint64_t key = MT_KEY_FREE;
        mt_block block{};
    };
    /// Has room for so many blocks, in memory that is there already; more make it grow.
    explicit BlockCopy(std::size_t expected = 0) : entries_(expected) {}
    /// All blocks of the table; `slots`: of these only, where it is given.
    void take(std::span<const mt_bucket> table, const std::vector<bool>* slots = nullptr);
    /// Of the last take().
    [[nodiscard]] std::span<const Entry> entries() const { return std::span(entries_).first(count_); }

private:
    std::vector<Entry> entries_;  ///< Also those that are room only.
    std::size_t count_ = 0;
};

/// The live blocks of all sites by (size, age).
class GroupedBlocks {
public:
    /// No blocks.
    GroupedBlocks() = default;
    /// Those that belong to a site of their own process. Takes 16 bytes for each different (site, size, age); while it is made, at most
    /// 32 for each block.
    GroupedBlocks(std::span<const BlockCopy::Entry> blocks, std::span<const mt_site> sites, const Ages& ages);
    /// Of one site, as Site::blocks wants them.
    [[nodiscard]] std::vector<BlockGroup> of(std::uint32_t site) const;

private:
    struct Group {
        std::uint64_t size_and_age;  ///< Ordered as they are.
        std::uint64_t count;
    };
    class Counts;
    static void sort(std::span<Group> groups);
    void add_up();
    std::vector<std::uint32_t> begins_;  ///< By site: of its groups; one more for the end.
    std::vector<Group> groups_;
};

/// Live is from now on what the groups say: what came or went between the readings of the counters and of the table, and what is taken
/// out of the table for the duration of a call (realloc), is counted as allocated or freed.
void agree(Counters& counters, std::span<const BlockGroup> blocks);

/// One block, by its place in the table.
struct LiveBlock {
    std::uint64_t address = 0;
    mt_block block{};
};

/// Calls `visit` with each block of the table and its slot. Containers are blocks here.
void for_each_block(std::span<const mt_bucket> table, const std::function<void(std::uint16_t, const LiveBlock&)>& visit);

/// The block of `slot` that begins at `address`, else the nearest before it that reaches beyond it. Containers are no blocks. Looks at
/// the whole table.
std::optional<LiveBlock> find_block(std::span<const mt_bucket> table, std::uint16_t slot, std::uint64_t address);

}  // namespace memtrace
