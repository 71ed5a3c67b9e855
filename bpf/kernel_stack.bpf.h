/* Keeps uprobe programs on the kernel's own stack.
 * From Linux 6.13 on the JIT gives programs of this kind that use 64 bytes of stack or more one stack a CPU. Uprobe programs can be
 * preempted, and the next thread's run on that CPU then overwrites it: wrong numbers or an oops on preemptible kernels (seen on
 * 6.17 and 7.2, docs/decisions/0005-kernels.md). The verifier gives no such stack to a program that could tail-call, and decides
 * so before it removes what is never reached. Delete this when no kernel does that any more. */
#ifndef MEMTRACE_KERNEL_STACK_BPF_H
#define MEMTRACE_KERNEL_STACK_BPF_H

#include "compat.bpf.h"

const volatile bool tail_calls = false; /* stays so: known when loading, hence no code is left of it */

/* Never filled. */
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} mt_no_calls SEC(".maps");

/* The first statement of every uprobe program that keeps anything on its stack. */
static __always_inline void keep_kernel_stack(void *ctx)
{
    if (tail_calls)
        bpf_tail_call(ctx, &mt_no_calls, 0);
}

#endif
