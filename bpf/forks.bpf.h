/* Programs that replace themselves and processes that fork: what happens to the blocks. The child of a fork gets its parent's blocks
 * as its own (its slot, its sites), copied here while the loader holds it, before it runs any code. */
#ifndef MEMTRACE_FORKS_BPF_H
#define MEMTRACE_FORKS_BPF_H

#include "sites.bpf.h"
#include "threads.bpf.h"

/* The traced process we are in, or NULL. */
static __always_inline struct mt_process *current_process(__u32 *tid)
{
    __u32 tgid, *index;

    if (!current_ids(tid, &tgid))
        return NULL;
    index = bpf_map_lookup_elem(&mt_followed, &tgid);
    return index ? bpf_map_lookup_elem(&mt_processes, index) : NULL;
}

/* The process replaces itself by another program: its blocks and addresses end here. */
static __always_inline void process_executes(void)
{
    struct mt_exec_event *event;
    struct mt_process *process;
    __u32 tid;

    process = current_process(&tid);
    if (!process)
        return;
    process->ended = 1;
    event = bpf_ringbuf_reserve(&mt_events, sizeof(*event), 0);
    if (!event) {
        count_loss(MT_EVENTS_DROPPED);
        return;
    }
    event->type = MT_EVENT_EXEC;
    event->process = process->index;
    bpf_ringbuf_submit(event, 0);
}

/* The process's memory has just been copied for a child. From here on the journal keeps what the child does not see. */
static __always_inline void process_forks(void)
{
    struct mt_process *process;
    struct mt_fork fork = {};
    __u32 tid;

    process = current_process(&tid);
    if (!process || process->ended)
        return;
    /* One that is there already: that fork failed after this point, and its count still stands. */
    if (!bpf_map_lookup_elem(&mt_forks, &tid))
        __sync_fetch_and_add(&process->forking, 1);
    fork.first_change = READ_ONCE(next_change);
    fork.process = process->index;
    fork.slot = process->slot;
    if (bpf_map_update_elem(&mt_forks, &tid, &fork, BPF_ANY))
        __sync_fetch_and_add(&process->forking, -1);
}

/* Makes site `to` the one of slot `slot` with the stack of site `from`. */
/* verifier: global functions are checked once, not at every call. */
__noinline int site_publish_twin(__u32 from, __u32 to, __u32 slot)
{
    const struct mt_site *site = site_at(from);
    struct mt_site *twin = site_at(to);
    const __u64 *stack = bpf_map_lookup_elem(&mt_stacks, &from);
    __u64 *copy = bpf_map_lookup_elem(&mt_stacks, &to);
    __u32 words;

    if (!site || !twin || !stack || !copy)
        return 0; /* ids are below both capacities: never */
    words = site->python_frames * MT_PYTHON_FRAME_WORDS + site->native_frames;
    for (__u32 i = 0; i < MT_STACK_WORDS(frame_limit); i++) {
        if (i >= words)
            break;
        copy[i] = stack[i];
    }
    if (threads_apart) {
        for (__u32 i = 0; i < MT_THREAD_WORDS; i++)
            copy[MT_STACK_WORDS(frame_limit) + i] = stack[MT_STACK_WORDS(frame_limit) + i];
        twin->thread = site->thread;
    }
    twin->slot = slot;
    twin->domain = site->domain;
    twin->python_frames = site->python_frames;
    twin->native_frames = site->native_frames;
    twin->python_total = site->python_total;
    twin->native_total = site->native_total;
    store_barrier();
    WRITE_ONCE(twin->flags, MT_SITE_READY); /* no news: the reader finds it when it looks at the site */
    return 0;
}

/* The key that the stack of site `id` has in slot `slot`. */
__noinline __u64 twin_key(__u32 id, __u32 slot)
{
    const struct mt_site *site = site_at(id);
    const __u64 *stack = bpf_map_lookup_elem(&mt_stacks, &id);

    if (!site || !stack)
        return 1;
    return stack_key(stack, site->python_frames * MT_PYTHON_FRAME_WORDS + site->native_frames, slot, site->domain, site->python_frames,
                     threads_apart ? stack[MT_STACK_WORDS(frame_limit)] : 0);
}

/* The site of slot `slot` that corresponds to site `id` of another one. */
__noinline __u32 site_twin(__u32 id, __u32 slot)
{
    __u64 *known = bpf_map_lookup_elem(&mt_twins, &id);
    bool made = false;
    __u32 twin;

    if (!known)
        return SITE_NONE;
    if (*known >> 32 == slot + 1)
        return (__u32)*known;
    twin = site_place(twin_key(id, slot), &made);
    if (made)
        site_publish_twin(id, twin, slot);
    if (twin != SITE_NONE)
        *known = (__u64)(slot + 1) << 32 | twin;
    return twin;
}

/* Gives the child a block of its parent's. */
__noinline int block_inherit(struct mt_process *child, __u64 address, const struct mt_block *block)
{
    struct mt_block own, old = {};
    struct mt_site *site = NULL;
    int result;

    if (!child || !block)
        return 0;
    own = *block;
    if (own.site != MT_SITE_CONTAINER) {
        own.site = site_twin(block->site, child->slot);
        site = site_at(own.site);
        if (!site) {
            count_loss(MT_LOST_SITE_FULL);
            return 0;
        }
    }
    result = live_add(live_key(child->slot, address), &own, &old);
    if (result == LIVE_FULL) {
        count_loss(MT_LOST_LIVE_FULL);
        return 0;
    }
    if (result == LIVE_REPLACED) /* copied before it changed, and again after */
        block_freed(child, 0, &old);
    if (!site)
        return 0;
    site_allocated(site, own.size_bytes);
    process_grow(child, site->domain, own.size_bytes);
    return 0;
}

/* Where a copy has come to. */
struct inheriting {
    __u32 from;
    __u32 to;
    __u32 first;                /* group, then bucket */
    __u32 found;                /* keys in the group, of whomever */
};

static long inherit_bucket(__u32 i, struct inheriting *at)
{
    __u32 index = at->first + i, to = at->to;
    struct mt_bucket *bucket = bpf_map_lookup_elem(&mt_live, &index);
    struct mt_process *child = bpf_map_lookup_elem(&mt_processes, &to);

    if (!bucket || !child)
        return 1; /* the last group may be a part of one */
    for (__u32 slot = 0; slot < MT_BUCKET_SLOTS; slot++) {
        __u64 key = READ_ONCE(bucket->keys[slot]);
        struct mt_block block;

        if (key == MT_KEY_FREE)
            continue;
        at->found = 1;
        if (key == MT_KEY_BUSY || key >> MT_KEY_ADDRESS_BITS != at->from)
            continue;
        block = bucket->blocks[slot];
        /* Changed meanwhile: then it is in the journal. */
        if (READ_ONCE(bucket->keys[slot]) == key)
            block_inherit(child, key, &block);
    }
    return 0;
}

static long inherit_group(__u32 i, struct inheriting *at)
{
    __u32 group = (at->first + i) & (MT_OCCUPIED_BITS - 1);
    __u64 bit = 1ULL << (group & 63);
    struct inheriting inside = {.from = at->from, .to = at->to, .first = group << occupied_shift};

    if (!(READ_ONCE(occupied[group / 64]) & bit))
        return 0;
    /* Set again unless nothing is there any more. */
    __sync_fetch_and_and(&occupied[group / 64], ~bit);
    bpf_loop(1U << occupied_shift, inherit_bucket, &inside, 0);
    if (inside.found)
        __sync_fetch_and_or(&occupied[group / 64], bit);
    return 0;
}

/* One block that changed between the fork and now: the child has it or not, whatever the table said when it was copied. */
static __always_inline void block_settle(struct mt_inheritance *change)
{
    __u32 to = change->to;
    struct mt_process *child = bpf_map_lookup_elem(&mt_processes, &to);
    struct mt_block block = {};
    struct mt_site *site;

    if (!child)
        return;
    block = change->block;
    if (change->had) {
        block_inherit(child, change->address, &block);
        return;
    }
    if (!live_take(live_key(child->slot, change->address), &block) || block.site == MT_SITE_CONTAINER)
        return;
    site = site_at(block.site);
    if (!site)
        return; /* ids in the live table come from the site table: never */
    __sync_fetch_and_add(&site->allocated_blocks, -1ULL);
    __sync_fetch_and_add(&site->allocated_bytes, -block.size_bytes);
    process_shrink(child, site->domain, block.size_bytes);
}

#endif
