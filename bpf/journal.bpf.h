/* The live table of one process. Changes made while a child waits for its copy are journaled: other threads go on during a fork,
 * and the child has what there was at the fork (forks.bpf.h). */
#ifndef MEMTRACE_JOURNAL_BPF_H
#define MEMTRACE_JOURNAL_BPF_H

#include "live.bpf.h"

/* After the change itself: one that the fork's own look at the journal came before is then in the journal for certain. */
__noinline int journal(__u64 key, const struct mt_block *block, __u32 taken)
{
    __u64 number = __sync_fetch_and_add(&next_change, 1);
    __u32 index = number & (MT_JOURNAL_CHANGES - 1);
    struct mt_change *change = bpf_map_lookup_elem(&mt_journal, &index);

    if (!change || !block)
        return 0; /* the map has that many elements where forks are followed; elsewhere nothing is journaled */
    WRITE_ONCE(change->number, 0);
    store_barrier();
    change->key = key;
    change->block = *block;
    change->taken = taken;
    store_barrier();
    WRITE_ONCE(change->number, number + 1);
    return 0;
}

/* These two are what nearly every event is about. Elsewhere the functions below do the same. */
static __always_inline bool block_take_here(const struct mt_process *process, __u64 address, struct mt_block *block)
{
    __u64 key = live_key(process->slot, address);

    if (!live_take(key, block))
        return false;
    if (follows_forks && READ_ONCE(process->forking))
        journal(key, block, true);
    return true;
}

static __always_inline int block_put_here(const struct mt_process *process, __u64 address, const struct mt_block *block,
                                          struct mt_block *replaced)
{
    __u64 key = live_key(process->slot, address);
    int result = live_add(key, block, replaced);

    if (follows_forks && READ_ONCE(process->forking) && result != LIVE_FULL)
        journal(key, result == LIVE_REPLACED ? replaced : block, result == LIVE_REPLACED);
    return result;
}

/* verifier: a global function is checked once, not on every way to it. */
__noinline int block_take(const struct mt_process *process, __u64 address, struct mt_block *block)
{
    return process && block && block_take_here(process, address, block);
}

__noinline int block_put(const struct mt_process *process, __u64 address, const struct mt_block *block, struct mt_block *replaced)
{
    return process && block && replaced ? block_put_here(process, address, block, replaced) : LIVE_FULL;
}

#endif
