#include "reader/live_blocks.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace memtrace {
namespace {

// Size and age in one word. No address space holds a block that does not fit; an allocator that claims one is shown the largest.
constexpr unsigned age_bits = 10;
constexpr std::uint64_t most_size = (std::uint64_t{1} << (64 - age_bits)) - 1;
constexpr std::uint64_t address_mask = (std::uint64_t{1} << MT_KEY_ADDRESS_BITS) - 1;

using Entry = BlockCopy::Entry;

// The block in one place of the table; MT_KEY_FREE where there is none, or another one came while it was read. No branches.
Entry read_entry(const mt_bucket& bucket, unsigned place) {
    const std::uint64_t key = __atomic_load_n(&bucket.keys[place], __ATOMIC_ACQUIRE);
    const mt_block block = bucket.blocks[place];
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    const bool same = __atomic_load_n(&bucket.keys[place], __ATOMIC_RELAXED) == key;
    return {same && key != MT_KEY_BUSY ? key : MT_KEY_FREE, block};
}

// Buckets to look ahead; the processor's own looking ahead ends with each page, and does not know which buckets are empty. A place behind
// the table's end does no harm to a prefetch.
constexpr std::size_t keys_ahead = 24, blocks_ahead = 12;

bool is_empty(const mt_bucket& bucket) {
    std::uint64_t any = 0;
    for (const __u64& key : bucket.keys) any |= __atomic_load_n(&key, __ATOMIC_RELAXED);
    return any == MT_KEY_FREE;
}

void look_ahead(std::span<const mt_bucket> table, std::size_t from) {
    __builtin_prefetch(table.data() + from + keys_ahead);
    if (from + blocks_ahead >= table.size() || is_empty(table[from + blocks_ahead])) return;
    const mt_block* blocks = table[from + blocks_ahead].blocks;
    __builtin_prefetch(blocks);
    __builtin_prefetch(blocks + MT_BUCKET_SLOTS / 2);
}

}  // namespace

Ages::Ages(const mt_clock& begin, const mt_clock& now)
    : elapsed_ticks_(now.jiffies > begin.jiffies ? now.jiffies - begin.jiffies : 0), now_(static_cast<std::uint32_t>(now.jiffies)) {
    if (elapsed_ticks_ > 0 && now.time_ns > begin.time_ns)
        tick_ns_ = static_cast<double>(now.time_ns - begin.time_ns) / static_cast<double>(elapsed_ticks_);
}

std::chrono::nanoseconds Ages::of(std::uint32_t time_jiffies) const {
    const std::uint32_t ticks = now_ - time_jiffies;
    if (ticks > elapsed_ticks_) return {};  // younger than the clock's reading
    return std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(ticks) * tick_ns_));
}

// How often each (site, size, age) occurs. Blocks that are alike mostly meet in a table that fits the cache; what leaves it when another
// kind takes its place is written down, and added up by sorting: no access goes far, whether the blocks are alike or all different.
class GroupedBlocks::Counts {
public:
    struct Cell {
        std::uint64_t size_and_age = 0;
        std::uint32_t site = 0;
        std::uint32_t count = 0;  ///< 0: free.
    };
    void add(std::uint32_t site, std::uint64_t size_and_age) {
        std::uint64_t hash = (size_and_age ^ std::uint64_t{site} << 40) * 0x9e3779b97f4a7c15U;
        hash ^= hash >> 32;
        Cell& cell = recent_[hash * 0xd6e8feb86659fd93U >> (64 - recent_bits)];
        if (cell.site == site && cell.size_and_age == size_and_age && cell.count > 0 && cell.count < UINT32_MAX) {
            ++cell.count;
            return;
        }
        if (cell.count > 0) cells_.push_back(cell);
        cell = {size_and_age, site, 1};
    }
    /// All of them; the same kind may occur several times.
    const std::vector<Cell>& finish() {
        std::copy_if(recent_.begin(), recent_.end(), std::back_inserter(cells_), [](const Cell& cell) { return cell.count > 0; });
        recent_.clear();
        return cells_;
    }

private:
    static constexpr unsigned recent_bits = 15;
    std::vector<Cell> recent_{std::size_t{1} << recent_bits};
    std::vector<Cell> cells_;
};

// Every place is written and kept only if there is a block: half the places of a table in use are free, and guessing which costs more
// than the copy does.
void BlockCopy::take(std::span<const mt_bucket> table, const std::vector<bool>* slots) {
    count_ = 0;
    for (std::size_t i = 0; i < table.size(); ++i) {
        look_ahead(table, i);
        const mt_bucket& bucket = table[i];
        if (is_empty(bucket)) continue;
        if (entries_.size() - count_ < MT_BUCKET_SLOTS) entries_.resize(entries_.size() * 2 + 4096);
        Entry* to = entries_.data() + count_;
        for (unsigned place = 0; place < MT_BUCKET_SLOTS; ++place) {
            *to = read_entry(bucket, place);
            const std::uint64_t slot = to->key >> MT_KEY_ADDRESS_BITS;
            const bool wanted = !slots || (slot < slots->size() && (*slots)[slot]);
            to += static_cast<std::ptrdiff_t>(to->key != MT_KEY_FREE && wanted);
        }
        count_ = static_cast<std::size_t>(to - entries_.data());
    }
}

GroupedBlocks::GroupedBlocks(std::span<const BlockCopy::Entry> blocks, std::span<const mt_site> sites, const Ages& ages) {
    Counts counts;
    std::uint32_t known_time = 0;  // neighbours are often of one age
    std::uint64_t known_age = static_cast<std::uint64_t>(age_step(ages.of(known_time)));
    for (const auto& [key, block] : blocks) {
        if (block.site >= sites.size() || sites[block.site].slot != key >> MT_KEY_ADDRESS_BITS) continue;
        if (block.time_jiffies != known_time) {
            known_time = block.time_jiffies;
            known_age = static_cast<std::uint64_t>(age_step(ages.of(known_time)));
        }
        counts.add(block.site, std::min<std::uint64_t>(block.size_bytes, most_size) << age_bits | known_age);
    }

    const std::vector<Counts::Cell>& cells = counts.finish();
    begins_.assign(sites.size() + 1, 0);
    for (const Counts::Cell& cell : cells) ++begins_[cell.site + 1];
    for (std::size_t site = 0; site < sites.size(); ++site) begins_[site + 1] += begins_[site];
    groups_.resize(cells.size());
    std::vector<std::uint32_t> next(begins_.begin(), begins_.end() - 1);
    for (const Counts::Cell& cell : cells) groups_[next[cell.site]++] = {cell.size_and_age, cell.count};
    for (std::size_t site = 0; site < sites.size(); ++site) sort(std::span(groups_).subspan(begins_[site], begins_[site + 1] - begins_[site]));
    add_up();
}

// Neighbours that are alike become one.
void GroupedBlocks::add_up() {
    std::uint32_t end = 0;
    for (std::size_t site = 0; site + 1 < begins_.size(); ++site) {
        const std::uint32_t begin = end;
        for (std::uint32_t i = begins_[site]; i < begins_[site + 1]; ++i) {
            const Group group = groups_[i];
            if (end > begin && groups_[end - 1].size_and_age == group.size_and_age)
                groups_[end - 1].count += group.count;
            else
                groups_[end++] = group;
        }
        begins_[site] = begin;
    }
    begins_.back() = end;
    groups_.resize(end);
}

// Many groups go digit by digit, the lowest first: a third of the time that comparing them takes. Digits that all share cost a look.
void GroupedBlocks::sort(std::span<Group> groups) {
    constexpr unsigned digit_bits = 11, mask = (1U << digit_bits) - 1;
    constexpr std::size_t many = 1U << 14;
    if (groups.size() < many) {
        std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) { return a.size_and_age < b.size_and_age; });
        return;
    }
    std::uint64_t differing = 0;
    for (const Group& group : groups) differing |= group.size_and_age ^ groups.front().size_and_age;
    std::vector<Group> other(groups.size());
    for (unsigned shift = 0; shift < 64; shift += digit_bits) {
        if (!(differing >> shift & mask)) continue;
        std::array<std::uint32_t, mask + 2> place{};
        for (const Group& group : groups) ++place[(group.size_and_age >> shift & mask) + 1];
        for (unsigned digit = 0; digit < mask; ++digit) place[digit + 1] += place[digit];
        for (const Group& group : groups) other[place[group.size_and_age >> shift & mask]++] = group;
        std::copy(other.begin(), other.end(), groups.begin());
    }
}

std::vector<BlockGroup> GroupedBlocks::of(std::uint32_t site) const {
    std::vector<BlockGroup> blocks;
    if (site + std::size_t{1} >= begins_.size()) return blocks;
    blocks.reserve(begins_[site + 1] - begins_[site]);
    for (std::uint32_t i = begins_[site]; i < begins_[site + 1]; ++i)
        blocks.push_back({groups_[i].size_and_age >> age_bits, AgeStep(groups_[i].size_and_age & ((1U << age_bits) - 1)), groups_[i].count});
    return blocks;
}

void agree(Counters& counters, std::span<const BlockGroup> blocks) {
    std::uint64_t live_blocks = 0, live_bytes = 0;
    for (const BlockGroup& group : blocks) {
        live_blocks += group.count;
        live_bytes += group.count * group.size_bytes;
    }
    const auto settle = [](std::uint64_t live, std::uint64_t& allocated, std::uint64_t& freed) {
        allocated = std::max(allocated, freed);
        if (allocated - freed < live)
            allocated = freed + live;
        else
            freed = allocated - live;
    };
    settle(live_blocks, counters.allocated_blocks, counters.freed_blocks);
    settle(live_bytes, counters.allocated_bytes, counters.freed_bytes);
}

void for_each_block(std::span<const mt_bucket> table, const std::function<void(std::uint16_t, const LiveBlock&)>& visit) {
    for (const mt_bucket& bucket : table) {
        for (unsigned place = 0; place < MT_BUCKET_SLOTS; ++place) {
            const auto [key, block] = read_entry(bucket, place);
            if (key != MT_KEY_FREE) visit(static_cast<std::uint16_t>(key >> MT_KEY_ADDRESS_BITS), {key & address_mask, block});
        }
    }
}

std::optional<LiveBlock> find_block(std::span<const mt_bucket> table, std::uint16_t slot, std::uint64_t address) {
    std::optional<LiveBlock> nearest;
    for (const mt_bucket& bucket : table) {
        for (unsigned place = 0; place < MT_BUCKET_SLOTS; ++place) {
            const std::uint64_t key = __atomic_load_n(&bucket.keys[place], __ATOMIC_RELAXED);
            const std::uint64_t start = key & address_mask;
            if (key == MT_KEY_FREE || key >> MT_KEY_ADDRESS_BITS != slot || start > address || (nearest && start < nearest->address)) continue;
            const Entry entry = read_entry(bucket, place);
            if (entry.key != key || entry.block.site == MT_SITE_CONTAINER) continue;
            if (start == address || address - start < entry.block.size_bytes) nearest = LiveBlock{start, entry.block};
        }
    }
    return nearest;
}

}  // namespace memtrace
