/* Functions that exceptions may pass: no return probe stands on them (hooks.h), their own return instructions tell what came of a call. */
#ifndef MEMTRACE_EXITS_BPF_H
#define MEMTRACE_EXITS_BPF_H

#include "calls.bpf.h"

/* The call that the exception was leaving went on: it was caught inside. What came of it may have been counted since, as an inner
 * call's. */
static __always_inline void call_resume(struct mt_process *process, struct thread *t, struct call *call, __u64 returned)
{
    struct mt_block inner;

    if (call->stack_pointer)
        call_abandon(process, call);
    *call = t->left;
    t->left.stack_pointer = 0;
    if (returned && block_take(process, returned, &inner))
        block_freed(process, returned, &inner);
    if (call->old_address && !block_take(process, call->old_address, &call->old))
        call->old_address = 0;
}

/* At a return instruction of a function that ends there. Functions share them, by jumping to each other: whose return it is tells the
 * stack pointer. */
static __always_inline void call_exit(struct pt_regs *ctx, __u64 cookie)
{
    __u32 index = MT_COOKIE_PROCESS(cookie);
    struct mt_process *process = bpf_map_lookup_elem(&mt_processes, &index);
    struct thread *t = bpf_task_storage_get(&mt_threads, bpf_get_current_task_btf(), 0, 0);
    __u64 sp = PT_REGS_SP(ctx);
    struct call *call;

    if (!process || !t)
        return;
    call = &t->calls[CALL_HEAP];
    if (t->left.stack_pointer == sp)
        call_resume(process, t, call, PT_REGS_RC(ctx));
    if (!call->at_exits || call->stack_pointer != sp)
        return;
    call_settle(ctx, process, t, call, 0, read_word(sp), sp + sizeof(__u64));
}

/* An exception is about to be made. Who made it may catch it himself and go on; all that follows is no part of his call, in any case. */
static __always_inline void call_may_be_left(struct pt_regs *ctx, struct mt_process *process, struct thread *t)
{
    struct call *call = &t->calls[CALL_HEAP];

    if (!call->at_exits || call->stack_pointer < PT_REGS_SP(ctx))
        return;
    old_put_back(process, call);
    t->left = *call;
    call->stack_pointer = 0;
}

/* At functions whose return is of no interest. */
static __always_inline void call_release(struct pt_regs *ctx, __u64 cookie)
{
    __u32 shape = MT_COOKIE_SHAPE(cookie);
    struct mt_process *process = hit(cookie);
    struct arguments args;
    struct thread *t;

    if (!process)
        return;
    t = this_thread(process);
    if (!t)
        return;
    args = read_arguments(ctx, cookie);
    if (shape == MT_SHAPE_EXCEPTION) {
        call_may_be_left(ctx, process, t);
        return;
    }
    if (!args.a)
        return;
    if (shape == MT_SHAPE_UNMAP)
        release_mappings(ctx, process, t, args.a, args.b);
    else
        release_block(ctx, process, t, domain_of_call(process, cookie, args.ctx), args.a, shape);
}

#endif
