// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Where the kernel comes in: one program a kind of probe. Which function it was is in the attach cookie (MT_COOKIE).
 * Read on: hits.bpf.h (whose probe), calls.bpf.h (entry to return), exits.bpf.h (where exceptions may come instead), releases.bpf.h (the end
 * of a block), stacks.bpf.h (whose line), live.bpf.h (which block), sites.bpf.h (the sums), tell.bpf.h (each of them); forks.bpf.h (what a
 * child inherits), marks.bpf.h (named moments). */
#include "exits.bpf.h"
#include "forks.bpf.h"
#include "kernel_stack.bpf.h"
#include "marks.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("uprobe")
int mt_enter(struct pt_regs *ctx)
{
    keep_kernel_stack(ctx);
    call_enter(ctx, bpf_get_attach_cookie(ctx));
    return 0;
}

SEC("uretprobe")
int mt_leave(struct pt_regs *ctx)
{
    keep_kernel_stack(ctx);
    call_leave(ctx, bpf_get_attach_cookie(ctx));
    return 0;
}

/* At return instructions of functions that exceptions may pass. */
SEC("uprobe")
int mt_exit(struct pt_regs *ctx)
{
    keep_kernel_stack(ctx);
    call_exit(ctx, bpf_get_attach_cookie(ctx));
    return 0;
}

SEC("uprobe")
int mt_release(struct pt_regs *ctx)
{
    keep_kernel_stack(ctx);
    call_release(ctx, bpf_get_attach_cookie(ctx));
    return 0;
}

SEC("uprobe")
int mt_mark(struct pt_regs *ctx)
{
    mark(ctx, bpf_get_attach_cookie(ctx));
    return 0;
}

SEC("raw_tp/sched_process_exec")
int mt_exec(void *unused __attribute__((unused)))
{
    process_executes();
    return 0;
}

/* Run by the reader, which has no other way to learn the tick counter. */
SEC("syscall")
int mt_read_clock(struct mt_clock *now)
{
    now->jiffies = bpf_jiffies64();
    now->time_ns = bpf_ktime_get_ns();
    return 0;
}

/* The end of copying a process's memory: the last moment whose changes the child sees. Loaded where forks are followed. */
SEC("?fentry/uprobe_end_dup_mmap")
int mt_fork_copied(void *unused __attribute__((unused)))
{
    process_forks();
    return 0;
}

/* Some microseconds later; for kernels that have no such function. */
SEC("?tp_btf/sched_process_fork")
int mt_fork_done(__u64 *ctx)
{
    const struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];

    if (parent->mm != child->mm)
        process_forks();
    return 0;
}

/* Run by the loader. */
SEC("?syscall")
int mt_inherit(struct mt_inheritance *args)
{
    struct inheriting range = {.from = args->from, .to = args->to, .first = args->first_group};

    bpf_loop(args->groups, inherit_group, &range, 0);
    return 0;
}

SEC("?syscall")
int mt_settle(struct mt_inheritance *args)
{
    struct mt_inheritance change = *args;

    block_settle(&change);
    return 0;
}
