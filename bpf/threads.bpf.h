/* Who is running: numbers of processes and threads as user space sees them and, where threads are kept apart, which thread it is. */
#ifndef MEMTRACE_THREADS_BPF_H
#define MEMTRACE_THREADS_BPF_H

#include "maps.bpf.h"

/* The current thread and its process as user space numbers them; false: it cannot see them. */
static __always_inline bool current_ids(__u32 *tid, __u32 *tgid)
{
    struct bpf_pidns_info ids;
    __u64 both;

    if (initial_pid_namespace) {
        both = bpf_get_current_pid_tgid();
        *tid = (__u32)both;
        *tgid = both >> 32;
        return true;
    }
    if (bpf_get_ns_current_pid_tgid(pid_namespace_device, pid_namespace_inode, &ids, sizeof(ids)))
        return false;
    *tid = ids.pid;
    *tgid = ids.tgid;
    return true;
}

/* Sets the thread's number and identity, unless they are known. Numbers are used again, so the moment of its start belongs to it. */
static __always_inline void identify(struct thread *t)
{
    struct task_struct *task = bpf_get_current_task_btf();
    __u32 tgid;

    if (t->tid)
        return;
    if (!current_ids(&t->tid, &tgid))
        t->tid = (__u32)bpf_get_current_pid_tgid();
    t->identity = (task->start_time ^ (__u64)t->tid << 40) * 0x9e3779b97f4a7c15ULL;
}

#endif
