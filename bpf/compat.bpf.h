/* Kernel types and their drift: every field that is read through BTF relocation, and since when. Delete what no supported kernel needs. */
#ifndef MEMTRACE_COMPAT_BPF_H
#define MEMTRACE_COMPAT_BPF_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* Only the fields we read; preserve_access_index lets libbpf find them in the running kernel. Declaring them here
 * instead of generating vmlinux.h makes the build independent of the kernel it runs on. */
struct thread_struct {
    unsigned long fsbase; /* x86-64: pthread_self() */
} __attribute__((preserve_access_index));

struct task_struct {
    struct thread_struct thread;
    void *mm;
    __u64 start_time; /* by the monotonic clock */
} __attribute__((preserve_access_index));

/* pthread_self() of the current thread, as user space sees it. */
static __always_inline __u64 thread_pointer(void)
{
    struct task_struct *task = bpf_get_current_task_btf();

    return task->thread.fsbase;
}

#ifndef NULL
#define NULL ((void *)0)
#endif

#define READ_ONCE(x) (*(volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

/* Orders our stores before the next one for other CPUs. x86 keeps store order by itself: only the compiler must be told. */
#if defined(__TARGET_ARCH_x86)
#define store_barrier() asm volatile("" ::: "memory")
#else
#error "store_barrier: this architecture needs an atomic exchange here"
#endif

#endif
