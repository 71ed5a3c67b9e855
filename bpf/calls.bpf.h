/* From a hooked function's entry to its return: what it was asked for, which block came of it. Only the outermost call
 * counts: calloc inside PyMem_RawCalloc inside PyObject_Calloc is one block, in the domain that was called. */
#ifndef MEMTRACE_CALLS_BPF_H
#define MEMTRACE_CALLS_BPF_H

#include "stacks.bpf.h"

#define MAP_FAILED_RESULT (~0ULL)
#define MAX_ADJACENT_MAPPINGS 8 /* taken by one munmap; the rest counts as untracked */
/* Hooked calls and mappings inside one hooked call: allocators that hand requests on to others need a handful. */
#define MAX_INNER_CALLS 32

struct arguments {
    __u64 a, b, c, ctx;
};

/* verifier: a context pointer may not be computed, as clang would from what follows. */
#define REGISTER(value)                       \
    do {                                      \
        __u64 held = value;                   \
        asm volatile("" : "+r"(held)); \
        return held;                          \
    } while (0)

/* What a register that carries an argument holds; 0: none was found to. */
static __always_inline __u64 register_value(struct pt_regs *ctx, __u32 index)
{
    switch (index) {
    case 0: REGISTER(PT_REGS_PARM1(ctx));
    case 1: REGISTER(PT_REGS_PARM2(ctx));
    case 2: REGISTER(PT_REGS_PARM3(ctx));
    case 3: REGISTER(PT_REGS_PARM4(ctx));
    case 4: REGISTER(PT_REGS_PARM5(ctx));
    case 5: REGISTER(ctx->r9);
    }
    return 0;
}
#undef REGISTER

/* The shape's arguments, from where the planner found them to be at this probe. */
static __always_inline struct arguments read_arguments(struct pt_regs *ctx, __u64 cookie)
{
    struct arguments arguments = {
        .a = register_value(ctx, MT_COOKIE_REGISTER(cookie, 0)),
        .b = register_value(ctx, MT_COOKIE_REGISTER(cookie, 1)),
        .c = register_value(ctx, MT_COOKIE_REGISTER(cookie, 2)),
        .ctx = register_value(ctx, MT_COOKIE_REGISTER(cookie, MT_COOKIE_CTX)),
    };

    return arguments;
}

/* count * size; the largest number when that overflows, as no allocator returns such a block. */
static __always_inline __u64 product(__u64 count, __u64 size)
{
    __u64 most;

    if (!((count | size) >> 32) || !count)
        return count * size;
    most = ~0ULL / count;
    asm volatile("" : "+r"(most)); /* or clang recognises the check and wants a 128-bit product, which BPF has not */
    return size > most ? ~0ULL : count * size;
}

static __always_inline bool shape_is_mapping(__u32 shape)
{
    return shape == MT_SHAPE_MAP || shape == MT_SHAPE_REMAP || shape == MT_SHAPE_UNMAP;
}

static __always_inline struct thread *this_thread(const struct mt_process *process)
{
    struct thread *t = bpf_task_storage_get(&mt_threads, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

    if (!t) {
        count_loss(MT_LOST_THREAD_STATE);
        return NULL;
    }
    if (t->slot != process->slot) { /* an exec since: its addresses mean nothing any more */
        t->slot = process->slot;
        t->released = 0;
        t->tid = 0;
        __builtin_memset(t->python_threads, 0, sizeof(t->python_threads));
        __builtin_memset(t->thread_local_at, 0, sizeof(t->thread_local_at));
        __builtin_memset(t->calls, 0, sizeof(t->calls));
    }
    return t;
}

/* Domains that share a function are told apart by the table's ctx, where it is still at hand. */
static __always_inline __u32 domain_of_call(const struct mt_process *process, __u64 cookie, __u64 ctx)
{
    const struct mt_python *py = &process->pythons[MT_COOKIE_INTERPRETER(cookie)];

    if (MT_COOKIE_REGISTER(cookie, MT_COOKIE_CTX) == MT_NO_REGISTER)
        return MT_COOKIE_DOMAIN(cookie);
    if (ctx == py->contexts[MT_DOMAIN_OBJ])
        return MT_DOMAIN_OBJ;
    if (ctx == py->contexts[MT_DOMAIN_MEM])
        return MT_DOMAIN_MEM;
    return ctx == py->contexts[MT_DOMAIN_RAW] ? MT_DOMAIN_RAW : MT_COOKIE_DOMAIN(cookie);
}

/* The process a probe belongs to, or NULL when nothing is to be counted. Counts the hit. */
static __always_inline struct mt_process *hit(__u64 cookie)
{
    __u32 probe = MT_COOKIE_PROBE(cookie), index = MT_COOKIE_PROCESS(cookie);
    struct mt_process *process;
    __u64 *hits;

    if (!counting)
        return NULL;
    hits = bpf_map_lookup_elem(&mt_hits, &probe);
    if (hits)
        __sync_fetch_and_add(hits, 1); /* atomic: another thread may preempt us on this CPU */
    process = bpf_map_lookup_elem(&mt_processes, &index);
    return process && !process->ended ? process : NULL;
}

static __always_inline __u64 whole_pages(__u64 bytes)
{
    return (bytes + page_bytes - 1) & ~(page_bytes - 1);
}

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
        block_freed(process, &rest);
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

/* Whether the block that realloc or mremap was given still counts: not when all were forgotten since. */
static __always_inline bool old_counts(const struct mt_process *process, const struct call *call)
{
    return call->old_address && call->generation == process->generation;
}

/* A call that never returned to us: its old block, if any, is gone with it. What was taken for calls inside it was not counted
 * either. */
static __always_inline void call_abandon(struct mt_process *process, struct call *call)
{
    __sync_fetch_and_add(&losses[MT_LOST_RETURN], 1 + call->inner_calls);
    if (old_counts(process, call))
        block_freed(process, &call->old);
    call->stack_pointer = 0;
}

/* Whether a call of `probe` at `sp` happens inside the call in progress. A tail call arrives with the same stack pointer;
 * the same function there again, or anything above, means that the call in progress has ended unseen. So do too many calls:
 * after a longjmp to a shallower frame all that follows looks like an inner call. */
static __always_inline bool call_is_inner(const struct call *call, __u64 sp, __u32 probe)
{
    if (call->inner_calls >= MAX_INNER_CALLS)
        return false;
    if (sp < call->stack_pointer)
        return true;
    return sp == call->stack_pointer && probe != call->probe && !call->inner_returned;
}

/* Whether a mapping is made inside a hooked allocation. One left by longjmp ends here, as in call_is_inner(). */
static __always_inline bool mapping_is_inner(struct mt_process *process, struct call *heap, __u64 sp)
{
    if (sp >= heap->stack_pointer)
        return false;
    if (heap->inner_calls >= MAX_INNER_CALLS) {
        call_abandon(process, heap);
        return false;
    }
    heap->inner_calls++;
    return true;
}

/* Whether the thread is inside a hooked heap call: realloc frees what it has replaced (the same stack pointer: by a tail call), malloc
 * unmaps what it trims, an allocator around another one frees the same block, perhaps shifted, and bookkeeping of its own. */
static __always_inline bool inside_heap_call(struct pt_regs *ctx, const struct thread *t)
{
    return t->calls[CALL_HEAP].stack_pointer >= PT_REGS_SP(ctx);
}

static __always_inline void release_block(struct pt_regs *ctx, struct mt_process *process, struct thread *t, __u32 domain,
                                          __u64 address, bool usual)
{
    struct mt_block block;

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
    if (usual ? block_take_here(process, address, &block) : block_take(process, address, &block))
        block_freed(process, &block);
    else if (!inside_heap_call(ctx, t))
        count_loss(MT_UNTRACKED_FREES);
}

static __always_inline void call_enter(struct pt_regs *ctx, __u64 cookie)
{
    __u32 shape = MT_COOKIE_SHAPE(cookie), probe = MT_COOKIE_PROBE(cookie);
    struct mt_process *process = hit(cookie);
    __u64 sp = PT_REGS_SP(ctx);
    struct arguments args;
    struct thread *t;
    struct call *call;

    if (!process)
        return;
    t = this_thread(process);
    if (!t)
        return;
    args = read_arguments(ctx, cookie);
    if (shape == MT_SHAPE_FREE_OUTER && !args.a)
        return;
    call = &t->calls[shape_is_mapping(shape) ? CALL_MAPPING : CALL_HEAP];
    if (call->stack_pointer) {
        if (call_is_inner(call, sp, probe)) {
            call->inner_calls++;
            return;
        }
        call_abandon(process, call);
    }
    call->stack_pointer = sp;
    call->probe = probe;
    call->shape = shape;
    call->domain = domain_of_call(process, cookie, args.ctx);
    call->inner_returned = 0;
    call->inner_calls = 0;
    call->old_address = 0;
    call->old_unknown = 0;
    call->generation = process->generation;
    call->contained = shape_is_mapping(shape) && mapping_is_inner(process, &t->calls[CALL_HEAP], sp);
    switch (shape) {
    case MT_SHAPE_ALLOC:
        call->size_bytes = args.a;
        break;
    case MT_SHAPE_ALLOC_ARRAY:
        call->size_bytes = product(args.a, args.b);
        break;
    case MT_SHAPE_ALLOC_ALIGNED:
    case MT_SHAPE_MAP:
        call->size_bytes = args.b;
        break;
    case MT_SHAPE_ALLOC_OUT:
        call->out_address = args.a;
        call->size_bytes = args.c;
        break;
    case MT_SHAPE_REALLOC:
    case MT_SHAPE_REALLOC_ARRAY:
        call->size_bytes = shape == MT_SHAPE_REALLOC ? args.b : product(args.b, args.c);
        /* Out of the table before the allocator can hand the address to another thread; settled at the return. */
        if (args.a && block_take(process, args.a, &call->old))
            call->old_address = args.a;
        else
            call->old_unknown = args.a != 0;
        break;
    case MT_SHAPE_FREE_OUTER:
        release_block(ctx, process, t, call->domain, args.a, false);
        break;
    case MT_SHAPE_REMAP:
        call->size_bytes = args.c;
        if (args.b && mapping_take(process, args.a, args.b, &call->old))
            call->old_address = args.a;
        else
            call->old_unknown = args.b && !call->contained;
        break;
    }
}

/* The block a call returned; 0 when it returned none. */
static __always_inline __u64 call_result(const struct call *call, __u64 returned)
{
    __u64 block = 0;

    if (shape_is_mapping(call->shape))
        return returned == MAP_FAILED_RESULT ? 0 : returned;
    if (call->shape != MT_SHAPE_ALLOC_OUT)
        return returned;
    if ((__u32)returned != 0)
        return 0;
    if (bpf_probe_read_user(&block, sizeof(block), (const void *)call->out_address) || !block)
        count_loss(MT_LOST_RESULT);
    return block;
}

/* The block that realloc or mremap was given is gone. */
static __always_inline void old_released(struct mt_process *process, const struct call *call)
{
    if (old_counts(process, call))
        block_freed(process, &call->old);
    else if (call->old_unknown || call->old_address)
        count_loss(shape_is_mapping(call->shape) ? MT_UNTRACKED_UNMAPS : MT_UNTRACKED_FREES);
}

/* No block came of it: the old one is still there, unless realloc(p, 0) was a free. */
static __always_inline void call_failed(struct mt_process *process, const struct call *call)
{
    struct mt_block replaced = {};

    if (call->size_bytes == 0 && !shape_is_mapping(call->shape)) {
        old_released(process, call);
        return;
    }
    if (!old_counts(process, call))
        return;
    if (block_put(process, call->old_address, &call->old, &replaced) == LIVE_FULL) {
        count_loss(MT_LOST_LIVE_FULL);
        block_freed(process, &call->old);
    }
}

static __always_inline void call_leave(struct pt_regs *ctx, __u64 cookie)
{
    __u32 index = MT_COOKIE_PROCESS(cookie);
    struct mt_process *process = bpf_map_lookup_elem(&mt_processes, &index);
    struct thread *t = bpf_task_storage_get(&mt_threads, bpf_get_current_task_btf(), 0, 0);
    struct call *call;
    __u64 block;
    __u32 site;

    if (!process || !t)
        return; /* entered while not counting, or counted as lost then */
    call = &t->calls[shape_is_mapping(MT_COOKIE_SHAPE(cookie)) ? CALL_MAPPING : CALL_HEAP];
    if (!call->stack_pointer || PT_REGS_SP(ctx) != call->stack_pointer + sizeof(__u64))
        return; /* an inner call, or one that began before we counted */
    if (call->probe != MT_COOKIE_PROBE(cookie)) {
        call->inner_returned = 1;
        return;
    }
    call->stack_pointer = 0;
    if (process->ended || call->shape == MT_SHAPE_FREE_OUTER)
        return;
    block = call_result(call, PT_REGS_RC(ctx));
    if (!block) {
        call_failed(process, call);
        return;
    }
    old_released(process, call);
    site = call->contained ? MT_SITE_CONTAINER : site_of_caller(ctx, process, t, call->domain, MT_COOKIE_INTERPRETER(cookie));
    if (site == SITE_NONE && !call->contained) {
        count_loss(MT_LOST_SITE_FULL);
        return;
    }
    block_allocated(process, block, site, call->domain, call->size_bytes);
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
        block_freed(process, &block);
        taken = whole_pages(block.size_bytes);
        if (taken >= size)
            return;
        address += taken;
        size -= taken;
    }
    if (!inside_heap_call(ctx, t))
        count_loss(MT_UNTRACKED_UNMAPS);
}

/* free and munmap: the block is gone before the allocator can hand it out again. */
static __always_inline void call_release(struct pt_regs *ctx, __u64 cookie)
{
    struct mt_process *process = hit(cookie);
    struct arguments args;
    struct thread *t;

    if (!process)
        return;
    t = this_thread(process);
    if (!t)
        return;
    args = read_arguments(ctx, cookie);
    if (!args.a)
        return;
    if (MT_COOKIE_SHAPE(cookie) == MT_SHAPE_UNMAP) {
        release_mappings(ctx, process, t, args.a, args.b);
        return;
    }
    release_block(ctx, process, t, domain_of_call(process, cookie, args.ctx), args.a, true);
}

#endif
