/* Each block that is allocated or freed, told to a reader that wants to hear of it (leaks --trace). */
#ifndef MEMTRACE_TELL_BPF_H
#define MEMTRACE_TELL_BPF_H

#include "threads.bpf.h"

/* verifier: a global function is checked once, not on every way to it. */
__noinline int tell_call(const struct mt_process *process, __u64 address, const struct mt_block *block, __u32 freed)
{
    struct mt_call_event *event;
    __u32 tid, tgid;

    if (!process || !block)
        return 0;
    event = bpf_ringbuf_reserve(&mt_calls, sizeof(*event), 0);
    if (!event) {
        __sync_fetch_and_add(&calls_untold, 1);
        return 0;
    }
    if (!current_ids(&tid, &tgid))
        tid = (__u32)bpf_get_current_pid_tgid();
    event->time_ns = bpf_ktime_get_ns();
    event->address = address;
    event->size_bytes = block->size_bytes;
    event->process = process->index;
    event->tid = tid;
    event->site = block->site;
    event->freed = freed;
    /* It cannot fail: the buffer is as long as the kernel's own. */
    bpf_get_current_comm(event->comm, sizeof(event->comm));
    bpf_ringbuf_submit(event, 0);
    return 0;
}

#endif
