/* free and munmap: the block is gone before the allocator can hand it out again. */
#ifndef MEMTRACE_RELEASES_BPF_H
#define MEMTRACE_RELEASES_BPF_H

#include "hits.bpf.h"

#define MAX_ADJACENT_MAPPINGS 8 /* taken by one munmap; the rest counts as untracked */

/* Takes [address, address + size) out of the mapping that starts there; what is left of it stays, starting later.
 * *taken tells what was taken; false: no mapping starts there. */
/* verifier: a global function is checked once, not for each of the mappings that one munmap may take. */
__noinline int mapping_take(struct mt_process *process, __u64 address, __u64 size, struct mt_block *taken)
{
    struct mt_block rest, replaced = {};

    if (!process || !taken)
        return false;
    if (!block_take(process, address, taken))
        return false;
    size = whole_pages(size);
    if (size >= taken->size_bytes)
        return true;
    rest = *taken;
    rest.size_bytes -= size;
    taken->size_bytes = size;
    if (block_put(process, address + size, &rest, &replaced) == LIVE_FULL) {
        count_loss(MT_LOST_LIVE_FULL);
        block_freed(process, address + size, &rest);
        return true;
    }
    /* One block became two: the site's count follows. */
    if (rest.site != MT_SITE_CONTAINER) {
        struct mt_site *site = site_at(rest.site);

        if (site)
            __sync_fetch_and_add(&site->freed_blocks, -1ULL);
    }
    return true;
}

/* Whether the thread is inside a hooked heap call: realloc frees what it has replaced (the same stack pointer: by a tail call), malloc
 * unmaps what it trims, an allocator around another one frees the same block, perhaps shifted, and bookkeeping of its own. */
static __always_inline bool inside_heap_call(struct pt_regs *ctx, const struct thread *t)
{
    return t->calls[CALL_HEAP].stack_pointer >= PT_REGS_SP(ctx);
}

static __always_inline void release_block(struct pt_regs *ctx, struct mt_process *process, struct thread *t, __u32 domain,
                                          __u64 address, __u32 shape)
{
    struct mt_block block;
    bool temporary;

    if (process->pythons_known) {
        /* PyObject_Free and PyMem_Free hand large blocks on to PyMem_RawFree and that to free: one block, one free. Between the
         * first two an address may well have been handed out again. */
        if (t->released == address && domain <= MT_DOMAIN_RAW && domain < t->released_domain && PT_REGS_SP(ctx) <= t->released_at) {
            if (domain == MT_DOMAIN_MALLOC)
                t->released = 0; /* the end of the chain: what is freed at this address next is another block */
            return;
        }
        t->released = address;
        t->released_domain = domain;
        t->released_at = PT_REGS_SP(ctx);
        if (domain >= MT_DOMAIN_RAW)
            python_memory_freed(process, t, address);
    }
    temporary = t->newest == address;
    if (temporary)
        t->newest = 0;
    if (shape == MT_SHAPE_FREE_OUTER ? block_take(process, address, &block) : block_take_here(process, address, &block))
        block_settled(process, address, &block, temporary);
    else if (shape != MT_SHAPE_FREE_INNER && !inside_heap_call(ctx, t))
        count_loss(MT_UNTRACKED_FREES);
}

/* munmap may take several mappings that lie one behind the other. */
static __always_inline void release_mappings(struct pt_regs *ctx, struct mt_process *process, const struct thread *t, __u64 address,
                                             __u64 size)
{
    size = whole_pages(size);
    for (int i = 0; i < MAX_ADJACENT_MAPPINGS && size; i++) {
        struct mt_block block = {};
        __u64 taken;

        if (!mapping_take(process, address, size, &block))
            break;
        block_freed(process, address, &block);
        taken = whole_pages(block.size_bytes);
        if (taken >= size)
            return;
        address += taken;
        size -= taken;
    }
    if (!inside_heap_call(ctx, t))
        count_loss(MT_UNTRACKED_UNMAPS);
}

#endif
