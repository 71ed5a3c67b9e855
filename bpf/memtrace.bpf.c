// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Where the kernel comes in: one program a kind of probe. Which function it was is in the attach cookie (MT_COOKIE).
 * Read on: calls.bpf.h (entry to return), stacks.bpf.h (whose line), live.bpf.h (which block), sites.bpf.h (the sums). */
#include "calls.bpf.h"
#include "kernel_stack.bpf.h"

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

SEC("uprobe")
int mt_release(struct pt_regs *ctx)
{
    keep_kernel_stack(ctx);
    call_release(ctx, bpf_get_attach_cookie(ctx));
    return 0;
}

/* The target replaces itself by another program: its blocks and addresses end here. */
SEC("raw_tp/sched_process_exec")
int mt_exec(void *unused __attribute__((unused)))
{
    struct bpf_pidns_info ids;
    __u32 index = 0;
    struct mt_process *process;
    struct mt_exec_event *event;

    if (bpf_get_ns_current_pid_tgid(pid_namespace_device, pid_namespace_inode, &ids, sizeof(ids)) ||
        ids.tgid != target_tgid)
        return 0;
    process = bpf_map_lookup_elem(&mt_processes, &index);
    if (!process)
        return 0;
    process->ended = 1;
    event = bpf_ringbuf_reserve(&mt_events, sizeof(*event), 0);
    if (!event) {
        count_loss(MT_EVENTS_DROPPED);
        return 0;
    }
    event->type = MT_EVENT_EXEC;
    event->process = index;
    bpf_ringbuf_submit(event, 0);
    return 0;
}
