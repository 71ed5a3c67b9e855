// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The design of the well-known memleak tool as a baseline: hash maps keyed by thread and by address, stack ids from the kernel,
 * probes at the functions' symbols. Only what malloc and free need. */
#include "kernel_stack.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct allocation {
    __u64 size;
    __u64 timestamp_ns;
    int stack_id;
};
struct combined {
    __u64 bytes;
    __u64 count;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 10240);
    __type(key, __u32);
    __type(value, __u64);
} sizes SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1000000);
    __type(key, __u64);
    __type(value, struct allocation);
} allocations SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 10240);
    __type(key, __u64);
    __type(value, struct combined);
} totals SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_STACK_TRACE);
    __uint(max_entries, 10240);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, 127 * sizeof(__u64));
} stacks SEC(".maps");

static void add_total(__u64 stack_id, __s64 bytes, __s64 count)
{
    struct combined zero = {}, *total = bpf_map_lookup_elem(&totals, &stack_id);

    if (!total) {
        bpf_map_update_elem(&totals, &stack_id, &zero, BPF_NOEXIST);
        total = bpf_map_lookup_elem(&totals, &stack_id);
        if (!total)
            return;
    }
    __sync_fetch_and_add(&total->bytes, bytes);
    __sync_fetch_and_add(&total->count, count);
}

SEC("uprobe")
int baseline_malloc(struct pt_regs *ctx)
{
    __u32 tid = bpf_get_current_pid_tgid();
    __u64 size = PT_REGS_PARM1(ctx);

    keep_kernel_stack(ctx);
    bpf_map_update_elem(&sizes, &tid, &size, BPF_ANY);
    return 0;
}

SEC("uretprobe")
int baseline_malloc_return(struct pt_regs *ctx)
{
    __u32 tid = bpf_get_current_pid_tgid();
    __u64 address = PT_REGS_RC(ctx), *size = bpf_map_lookup_elem(&sizes, &tid);
    struct allocation allocation = {};

    keep_kernel_stack(ctx);
    if (!size)
        return 0;
    allocation.size = *size;
    bpf_map_delete_elem(&sizes, &tid);
    if (!address)
        return 0;
    allocation.timestamp_ns = bpf_ktime_get_ns();
    allocation.stack_id = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
    bpf_map_update_elem(&allocations, &address, &allocation, BPF_ANY);
    add_total(allocation.stack_id, allocation.size, 1);
    return 0;
}

SEC("uprobe")
int baseline_free(struct pt_regs *ctx)
{
    __u64 address = PT_REGS_PARM1(ctx);
    struct allocation *allocation = bpf_map_lookup_elem(&allocations, &address), copy;

    keep_kernel_stack(ctx);
    if (!allocation)
        return 0;
    copy = *allocation;
    bpf_map_delete_elem(&allocations, &address);
    add_total(copy.stack_id, -copy.size, -1);
    return 0;
}
