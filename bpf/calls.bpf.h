/* From a hooked function's entry to its end: what it was asked for, which block came of it. Only the outermost call
 * counts: calloc inside PyMem_RawCalloc inside PyObject_Calloc is one block, in the domain that was called. */
#ifndef MEMTRACE_CALLS_BPF_H
#define MEMTRACE_CALLS_BPF_H

#include "releases.bpf.h"

#define MAP_FAILED_RESULT (~0ULL)
/* Hooked calls and mappings inside one hooked call: allocators that hand requests on to others need a handful. */
#define MAX_INNER_CALLS 32

/* Whether the block that realloc or mremap was given still counts: not when all were forgotten since. */
static __always_inline bool old_counts(const struct mt_process *process, const struct call *call)
{
    return call->old_address && call->generation == process->generation;
}

/* The block that realloc or mremap was given is still there. */
static __always_inline void old_put_back(struct mt_process *process, const struct call *call)
{
    struct mt_block replaced = {};

    if (!old_counts(process, call))
        return;
    if (block_put(process, call->old_address, &call->old, &replaced) == LIVE_FULL) {
        count_loss(MT_LOST_LIVE_FULL);
        block_freed(process, call->old_address, &call->old);
    }
}

/* A call that never returned to us: its old block, if any, is gone with it, unless all its returns would be seen: then it was left by
 * an exception or longjmp. What was taken for calls inside it was not counted either. */
static __always_inline void call_abandon(struct mt_process *process, struct call *call)
{
    __u32 lost = call->inner_calls + !call->at_exits;

    if (lost)
        __sync_fetch_and_add(&losses[MT_LOST_RETURN], lost);
    if (call->at_exits)
        old_put_back(process, call);
    else if (old_counts(process, call))
        block_freed(process, call->old_address, &call->old);
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
    if (t->left.stack_pointer && sp >= t->left.stack_pointer)
        t->left.stack_pointer = 0; /* its frame is gone */
    call->stack_pointer = sp;
    call->probe = probe;
    call->shape = shape;
    call->at_exits = MT_COOKIE_AT_EXITS(cookie) != 0;
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
    case MT_SHAPE_RESIZE:
        call->size_bytes = shape == MT_SHAPE_REALLOC_ARRAY ? product(args.b, args.c) : args.b;
        call->out_address = args.a;
        /* Out of the table before the allocator can hand the address to another thread; settled at the return. */
        if (args.a && block_take(process, args.a, &call->old))
            call->old_address = args.a;
        else
            call->old_unknown = args.a != 0;
        break;
    case MT_SHAPE_FREE_OUTER:
        release_block(ctx, process, t, call->domain, args.a, MT_SHAPE_FREE_OUTER);
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
    if (call->shape == MT_SHAPE_RESIZE)
        return returned >= call->size_bytes ? call->out_address : 0;
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
        block_freed(process, call->old_address, &call->old);
    else if (call->old_unknown || call->old_address)
        count_loss(shape_is_mapping(call->shape) ? MT_UNTRACKED_UNMAPS : MT_UNTRACKED_FREES);
}

/* No block came of it: the old one is still there, unless realloc(p, 0) was a free. */
static __always_inline void call_failed(struct mt_process *process, const struct call *call)
{
    if (call->size_bytes == 0 && !shape_is_mapping(call->shape))
        old_released(process, call);
    else
        old_put_back(process, call);
}

/* What came of a call: `returned`, to `caller` with the stack pointer `sp`. */
static __always_inline void call_settle(struct pt_regs *ctx, struct mt_process *process, struct thread *t, struct call *call,
                                        __u32 interpreter, __u64 caller, __u64 sp)
{
    __u64 block;
    __u32 site;

    call->stack_pointer = 0;
    if (process->ended || call->shape == MT_SHAPE_FREE_OUTER)
        return;
    block = call_result(call, PT_REGS_RC(ctx));
    if (!block) {
        call_failed(process, call);
        return;
    }
    old_released(process, call);
    site = call->contained ? MT_SITE_CONTAINER : site_of_caller(ctx, process, t, call->domain, interpreter, caller, sp);
    if (site == SITE_NONE && !call->contained) {
        count_loss(MT_LOST_SITE_FULL);
        return;
    }
    block_allocated(process, block, site, call->domain, call->size_bytes);
    if (!shape_is_mapping(call->shape))
        t->newest = block;
}

/* At a return probe. */
static __always_inline void call_leave(struct pt_regs *ctx, __u64 cookie)
{
    __u32 index = MT_COOKIE_PROCESS(cookie);
    struct mt_process *process = bpf_map_lookup_elem(&mt_processes, &index);
    struct thread *t = bpf_task_storage_get(&mt_threads, bpf_get_current_task_btf(), 0, 0);
    struct call *call;

    if (!process || !t)
        return; /* entered while not counting, or counted as lost then */
    call = &t->calls[shape_is_mapping(MT_COOKIE_SHAPE(cookie)) ? CALL_MAPPING : CALL_HEAP];
    if (!call->stack_pointer || PT_REGS_SP(ctx) != call->stack_pointer + sizeof(__u64))
        return; /* an inner call, or one that began before we counted */
    if (call->probe != MT_COOKIE_PROBE(cookie) && !call->at_exits) {
        call->inner_returned = 1;
        return;
    }
    call_settle(ctx, process, t, call, MT_COOKIE_INTERPRETER(cookie), PT_REGS_IP(ctx), PT_REGS_SP(ctx));
}

#endif
