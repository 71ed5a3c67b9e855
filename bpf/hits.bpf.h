/* What a hit of a probe tells: whose process and thread, which arguments, which domain. */
#ifndef MEMTRACE_HITS_BPF_H
#define MEMTRACE_HITS_BPF_H

#include "stacks.bpf.h"

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
        t->newest = 0;
        t->tid = 0;
        __builtin_memset(t->python_threads, 0, sizeof(t->python_threads));
        __builtin_memset(t->thread_local_at, 0, sizeof(t->thread_local_at));
        __builtin_memset(t->calls, 0, sizeof(t->calls));
        t->left.stack_pointer = 0;
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
#endif
