/* Sites and their counters, and what the process as a whole holds. A site is process slot + domain + stack. */
#ifndef MEMTRACE_SITES_BPF_H
#define MEMTRACE_SITES_BPF_H

#include "journal.bpf.h"
#include "tell.bpf.h"

#define SITE_NONE 0xffffffffU
_Static_assert(MT_MAX_FRAMES < 256 && MT_MAX_DEPTH + MT_MAX_FRAMES < 65536, "struct mt_site counts frames in so many bits");

static __always_inline struct mt_site *site_at(__u32 id)
{
    return bpf_map_lookup_elem(&mt_sites, &id);
}

/* verifier: a global function is checked once, not on every way to it. */
__noinline int peak_raise(struct mt_usage *usage, __u64 bytes)
{
    __u64 peak;

    if (!usage)
        return 0;
    peak = READ_ONCE(usage->peak_bytes);
    /* verifier: needs a bound; each failed round means another CPU set a new peak just then. */
    for (int i = 0; i < 8 && (__s64)(bytes - peak) > 0; i++) {
        __u64 seen = __sync_val_compare_and_swap(&usage->peak_bytes, peak, bytes);

        if (seen == peak)
            break;
        peak = seen;
    }
    return 0;
}

/* A maximum is reached just before the bytes become fewer: peaks are kept up there, and are those or what there is now. Racing
 * maxima: the larger one wins in the end. */
static __always_inline void usage_shrink(struct mt_usage *usage, __u64 bytes)
{
    __u64 before = __sync_fetch_and_add(&usage->bytes, -bytes);

    if ((__s64)(before - READ_ONCE(usage->peak_bytes)) > 0)
        peak_raise(usage, before);
}

static __always_inline void process_grow(struct mt_process *process, __u32 domain, __u64 bytes)
{
    __sync_fetch_and_add(&process->total.bytes, bytes);
    if (domain < MT_DOMAIN_COUNT)
        __sync_fetch_and_add(&process->domains[domain].bytes, bytes);
}

static __always_inline void process_shrink(struct mt_process *process, __u32 domain, __u64 bytes)
{
    usage_shrink(&process->total, bytes);
    if (domain < MT_DOMAIN_COUNT)
        usage_shrink(&process->domains[domain], bytes);
}

static __always_inline void site_allocated(struct mt_site *site, __u64 bytes)
{
    __sync_fetch_and_add(&site->allocated_bytes, bytes);
    __sync_fetch_and_add(&site->allocated_blocks, 1);
}

static __always_inline void site_freed(struct mt_site *site, __u64 blocks, __u64 bytes)
{
    __sync_fetch_and_add(&site->freed_bytes, bytes);
    __sync_fetch_and_add(&site->freed_blocks, blocks);
}

/* Settles a block that was taken out of the live table. `temporary`: its thread has allocated nothing since. `address`: 0 where it was not
 * the program that freed it. */
static __always_inline void block_settled(struct mt_process *process, __u64 address, const struct mt_block *block, bool temporary)
{
    struct mt_site *site;

    if (block->site == MT_SITE_CONTAINER)
        return;
    site = site_at(block->site);
    if (!site)
        return; /* ids in the live table come from the site table: never */
    site_freed(site, 1, block->size_bytes);
    if (temporary)
        __sync_fetch_and_add(&site->temporary_blocks, 1);
    process_shrink(process, site->domain, block->size_bytes);
    if (tells_calls && address)
        tell_call(process, address, block, 1);
}

static __always_inline void block_freed(struct mt_process *process, __u64 address, const struct mt_block *block)
{
    block_settled(process, address, block, false);
}

/* Counts a new block of an existing site, or says why not. */
static __always_inline void block_allocated(struct mt_process *process, __u64 address, __u32 site_id, __u32 domain, __u64 size_bytes)
{
    struct mt_block block = {.size_bytes = size_bytes, .site = site_id, .time_jiffies = bpf_jiffies64()};
    struct mt_block replaced = {};
    int result = block_put_here(process, address, &block, &replaced);
    struct mt_site *site;

    if (result == LIVE_FULL) {
        count_loss(MT_LOST_LIVE_FULL);
        return;
    }
    if (result == LIVE_REPLACED) {
        const struct mt_site *old = replaced.site == MT_SITE_CONTAINER ? NULL : site_at(replaced.site);

        /* Mappings are replaced in the ordinary course of things: by MAP_FIXED, or after parts of a container were unmapped. */
        if (old && old->domain != MT_DOMAIN_MMAP)
            count_loss(MT_LOST_FREE);
        block_freed(process, address, &replaced);
    }
    if (site_id == MT_SITE_CONTAINER)
        return;
    site = site_at(site_id);
    if (!site)
        return; /* as above: never */
    site_allocated(site, size_bytes);
    process_grow(process, domain, size_bytes); /* another thread may just be publishing the site */
    if (tells_calls)
        tell_call(process, address, &block, 0);
}

static __always_inline __u64 hash_word(__u64 hash, __u64 word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
    return hash ^ hash >> 29;
}

static __always_inline __u64 key_begin(__u32 slot, __u32 domain, __u32 python_frames)
{
    return hash_word(0xa0761d6478bd642fULL, (__u64)slot << 32 | domain << 24 | python_frames);
}

/* A stack's key: 64 bits of hash stand for the whole. With n sites two of them are confused with probability n² / 2^65. */
static __always_inline __u64 stack_key(const __u64 *stack, __u32 words, __u32 slot, __u32 domain, __u32 python_frames, __u64 thread)
{
    __u64 hash = key_begin(slot, domain, python_frames);

    if (threads_apart)
        hash = hash_word(hash, thread);
    for (__u32 i = 0; i < MT_STACK_WORDS(frame_limit); i++) {
        if (i >= words)
            break;
        hash = hash_word(hash, stack[i]);
    }
    return hash ? hash : 1;
}

__noinline __u64 site_key_of_many(const struct thread *t, __u32 slot, __u32 domain)
{
    if (!t)
        return 1;
    return stack_key(t->words, t->python_frames * MT_PYTHON_FRAME_WORDS + t->native_frames, slot, domain, t->python_frames,
                     t->identity);
}

static __always_inline __u64 site_key(const struct thread *t, __u32 slot, __u32 domain)
{
    __u64 hash;

    /* One Python frame, the usual case without --frames: the same without a loop and a call. */
    if (threads_apart || frame_limit > 1 || t->python_frames != 1 || t->native_frames)
        return site_key_of_many(t, slot, domain);
    hash = hash_word(hash_word(key_begin(slot, domain, 1), t->words[0]), t->words[1]);
    return hash ? hash : 1;
}

#define SITE_STRIDE 16
_Static_assert(MT_SITE_PROBES % SITE_STRIDE == 0, "the last stride is a whole one");

/* The same among SITE_STRIDE places from `from` on; SITE_NONE: others have them all. */
/* verifier: a global function is checked once, not in every round. */
__noinline __u32 site_place_near(__u64 key, __u64 from, __u32 *made)
{
    if (!made)
        return SITE_NONE;
    for (__u32 i = 0; i < SITE_STRIDE; i++) {
        __u32 at = (from + i) & site_mask;
        struct mt_site *site = site_at(at);
        __u64 found;

        if (!site)
            return SITE_NONE; /* masked: never */
        found = READ_ONCE(site->key);
        if (found == 0) {
            found = __sync_val_compare_and_swap(&site->key, 0, key);
            *made = found == 0;
        }
        if (*made || found == key)
            return at;
    }
    return SITE_NONE;
}

/* The place of a key in the site table, taken if there is none yet (*made); SITE_NONE when the table is full. */
static __always_inline __u32 site_place(__u64 key, bool *made)
{
    __u32 is_new = 0, at = key & site_mask;
    const struct mt_site *first = site_at(at);

    *made = false;
    if (first && READ_ONCE(first->key) == key)
        return at;
    at = SITE_NONE;
    for (__u32 i = 0; i < MT_SITE_PROBES && at == SITE_NONE; i += SITE_STRIDE)
        at = site_place_near(key, key + i, &is_new);
    *made = is_new;
    return at;
}

#endif
