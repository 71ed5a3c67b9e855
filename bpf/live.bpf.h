/* The live table: every block that is allocated and not freed, by process slot and address.
 * A key may be in MT_BUCKET_CHOICES buckets. The first keeps neighbours of the heap neighbours in the table, because the
 * cost of a large table is its cache and TLB misses; the others are spread evenly and take what the first cannot.
 * Insert by compare-and-swap, remove by the one thread that frees the block; no locks, no tombstones. */
#ifndef MEMTRACE_LIVE_BPF_H
#define MEMTRACE_LIVE_BPF_H

#include "maps.bpf.h"

/* Addresses that share a group (2 KiB) and those that share a bucket in it (128 bytes). */
#define GROUP_SHIFT 11
#define BUCKET_SHIFT 7

static __always_inline __u64 spread(__u64 x)
{
    x *= 0x9e3779b97f4a7c15ULL;
    x ^= x >> 32;
    return x * 0xd6e8feb86659fd93ULL;
}

/* x in [0, 2^32) to [0, n), keeping order: cheaper than a division, and n need not be a power of two. */
static __always_inline __u32 scale(__u64 x, __u32 n)
{
    return (x >> 32) * n >> 32;
}

static __always_inline __u64 live_key(__u32 slot, __u64 address)
{
    return (__u64)slot << MT_KEY_ADDRESS_BITS | (address & ((1ULL << MT_KEY_ADDRESS_BITS) - 1));
}

static __always_inline __u32 live_index(__u64 key, __u32 choice)
{
    if (choice == 0 && live_buckets >= MT_BUCKET_GROUP)
        return scale(spread(key >> GROUP_SHIFT), live_buckets / MT_BUCKET_GROUP) * MT_BUCKET_GROUP +
               ((key >> BUCKET_SHIFT) & (MT_BUCKET_GROUP - 1));
    return scale(spread(key + choice * 0x632be59bd9b4e019ULL), live_buckets);
}

static __always_inline struct mt_bucket *live_bucket(__u64 key, __u32 choice)
{
    __u32 index = live_index(key, choice);

    return bpf_map_lookup_elem(&mt_live, &index);
}

/* After a key was put into a bucket. Who clears the bit looks at the buckets afterwards, and so sees the key or is seen here. */
static __always_inline void mark_occupied(__u32 index)
{
    __u32 group = index >> occupied_shift & (MT_OCCUPIED_BITS - 1);
    __u64 bit = 1ULL << (group & 63);

    if (!(READ_ONCE(occupied[group / 64]) & bit))
        __sync_fetch_and_or(&occupied[group / 64], bit);
}

enum live_result { LIVE_ADDED, LIVE_REPLACED, LIVE_FULL };

/* Adds a block to one bucket, or replaces the record of its address there. */
static __always_inline enum live_result bucket_add(struct mt_bucket *bucket, __u64 key, const struct mt_block *block,
                                                   struct mt_block *replaced)
{
    for (__u32 i = 0; i < MT_BUCKET_SLOTS; i++) {
        __u64 found = READ_ONCE(bucket->keys[i]);

        if (found == key) {
            *replaced = bucket->blocks[i];
            bucket->blocks[i] = *block;
            return LIVE_REPLACED;
        }
        if (found != MT_KEY_FREE)
            continue;
        if (__sync_val_compare_and_swap(&bucket->keys[i], MT_KEY_FREE, MT_KEY_BUSY) != MT_KEY_FREE)
            continue;
        bucket->blocks[i] = *block;
        store_barrier();
        WRITE_ONCE(bucket->keys[i], key);
        return LIVE_ADDED;
    }
    return LIVE_FULL;
}

/* Before a key is put into its bucket of that choice: who looks for it must look this far. */
static __always_inline void mark_choice(__u32 choice)
{
    if (!(READ_ONCE(live_choices_used) & 1 << choice))
        __sync_fetch_and_or(&live_choices_used, 1 << choice);
}

/* verifier: global functions are checked once, not at every call (so their pointers are checked): these loops would count 24-fold. */
__noinline int bucket_add_called(struct mt_bucket *bucket, __u64 key, const struct mt_block *block, struct mt_block *replaced)
{
    return bucket && block && replaced ? bucket_add(bucket, key, block, replaced) : LIVE_FULL;
}

/* All choices but the first. */
__noinline int live_add_elsewhere(__u64 key, const struct mt_block *block, struct mt_block *replaced)
{
    if (!block || !replaced)
        return LIVE_FULL;
    for (__u32 choice = 1; choice < MT_BUCKET_CHOICES; choice++) {
        struct mt_bucket *bucket = live_bucket(key, choice);
        int result;

        if (!bucket)
            return LIVE_FULL; /* the index is below live_buckets: never */
        mark_choice(choice);
        result = bucket_add_called(bucket, key, block, replaced);
        if (result == LIVE_ADDED && follows_forks)
            mark_occupied(live_index(key, choice));
        if (result != LIVE_FULL)
            return result;
    }
    return LIVE_FULL;
}

/* Adds a block. An old record of the same address goes to *replaced: its free was missed. */
static __always_inline enum live_result live_add(__u64 key, const struct mt_block *block, struct mt_block *replaced)
{
    struct mt_bucket *bucket = live_bucket(key, 0);
    enum live_result result;

    if (!bucket)
        return LIVE_FULL; /* as above: never */
    mark_choice(0);
    result = bucket_add(bucket, key, block, replaced);
    if (result == LIVE_ADDED && follows_forks)
        mark_occupied(live_index(key, 0));
    return result == LIVE_FULL ? live_add_elsewhere(key, block, replaced) : result;
}

/* Removes a block from one bucket and tells what it was; false: it is not there. */
static __always_inline bool bucket_take(struct mt_bucket *bucket, __u64 key, struct mt_block *block)
{
    for (__u32 i = 0; i < MT_BUCKET_SLOTS; i++) {
        if (READ_ONCE(bucket->keys[i]) != key)
            continue;
        *block = bucket->blocks[i];
        /* Two threads freeing one block is the program's error; only one of them gets it. */
        if (__sync_val_compare_and_swap(&bucket->keys[i], key, MT_KEY_FREE) == key)
            return true;
    }
    return false;
}

/* verifier: as bucket_add_called(). */
__noinline int bucket_take_called(struct mt_bucket *bucket, __u64 key, struct mt_block *block)
{
    return bucket && block && bucket_take(bucket, key, block);
}

__noinline int live_take_elsewhere(__u64 key, struct mt_block *block)
{
    if (!block)
        return false;
    for (__u32 choice = 1; choice < MT_BUCKET_CHOICES; choice++) {
        struct mt_bucket *bucket;

        if (!(READ_ONCE(live_choices_used) >> choice))
            return false;
        bucket = live_bucket(key, choice);
        if (!bucket)
            return false;
        if (bucket_take_called(bucket, key, block))
            return true;
    }
    return false;
}

/* Removes a block and tells what it was; false: no such block. */
static __always_inline bool live_take(__u64 key, struct mt_block *block)
{
    struct mt_bucket *bucket = live_bucket(key, 0);

    if (bucket && bucket_take(bucket, key, block))
        return true;
    return READ_ONCE(live_choices_used) >> 1 ? live_take_elsewhere(key, block) : false;
}

#endif
