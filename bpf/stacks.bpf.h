/* From the stack of the calling thread to its site: walk, hash, find; make it when it is new. */
#ifndef MEMTRACE_STACKS_BPF_H
#define MEMTRACE_STACKS_BPF_H

#include "python.bpf.h"
#include "threads.bpf.h"

/* Where the wrapper that `address` lies in was called from, and *sp there; 0 when it is no wrapper's. */
/* verifier: a global function is checked once, not for each wrapper below it. */
__noinline __u64 wrapper_caller(const struct mt_process *process, __u64 address, __u64 *sp)
{
    if (!process || !sp)
        return 0;
    for (__u32 i = 0; i < MT_MAX_WRAPPER_CALLS; i++) {
        const struct mt_wrapper_call *call = &process->wrapper_calls[i];

        if (i >= process->wrapper_calls_known)
            return 0;
        if (call->return_address != address)
            continue;
        *sp += call->caller_at;
        address = read_word(*sp);
        *sp += sizeof(__u64);
        return address;
    }
    return 0;
}

/* The line that asked: where the hooked function returns to or, from a wrapper, where that returns to. */
__noinline __u64 native_caller(const struct mt_process *process, __u64 address, __u64 sp)
{
    if (!process)
        return address;
    for (int i = 0; i < MT_WRAPPER_DEPTH; i++) {
        __u64 caller = wrapper_caller(process, address, &sp);

        if (!caller)
            break;
        address = caller;
    }
    return address;
}

/* Return addresses of the native callers, by frame pointers; the first is right without them too. Called at the return of the
 * hooked function, or just before. Wrappers keep no frame pointers, so the kernel's walk, which begins in them, goes on above their
 * caller: its first entry makes room for the caller. */
static __always_inline void native_walk(struct pt_regs *ctx, const struct mt_process *process, struct thread *t, __u64 caller, __u64 sp)
{
    __u32 first = t->python_frames * MT_PYTHON_FRAME_WORDS;
    long bytes;

    if (first > MT_MAX_FRAMES * MT_PYTHON_FRAME_WORDS)
        first = 0; /* verifier: the count lies in memory; it is never above frame_limit */
    t->native_frames = 1;
    t->native_total = 1;
    if (frame_limit > 1) {
        bytes = bpf_get_stack(ctx, &t->words[first], (frame_limit + 1) * sizeof(__u64), BPF_F_USER_STACK);
        if (bytes >= (long)sizeof(__u64)) {
            t->native_total = bytes / sizeof(__u64);
            t->native_frames = t->native_total > frame_limit ? frame_limit : t->native_total;
        }
    }
    t->words[first] = native_caller(process, caller, sp);
}

/* Fills a slot of the site table that we own: its stack record, its news. */
__noinline int site_publish(const struct mt_process *process, struct thread *t, __u32 id, __u32 domain_interpreter)
{
    struct mt_site *site = site_at(id);
    __u64 *stack = bpf_map_lookup_elem(&mt_stacks, &id);
    struct mt_site_event *event;
    __u32 interpreter = domain_interpreter >> 8 & (MT_MAX_INTERPRETERS - 1);
    __u32 words;

    if (!process || !t || !site || !stack)
        return 0; /* ids are below both capacities: never */
    words = t->python_frames * MT_PYTHON_FRAME_WORDS + t->native_frames;
    for (__u32 i = 0; i < MT_STACK_WORDS(frame_limit); i++) {
        if (i >= words)
            break;
        stack[i] = t->words[i];
    }
    if (t->python_frames)
        t->python_total += python_depth_below(t, &process->pythons[interpreter]);
    if (threads_apart) {
        site->thread = t->tid;
        stack[MT_STACK_WORDS(frame_limit)] = t->identity;
        /* It cannot fail: the buffer is as long as the kernel's own. */
        bpf_get_current_comm(&stack[MT_STACK_WORDS(frame_limit) + 1], MT_THREAD_NAME_BYTES);
    }
    site->slot = process->slot;
    site->domain = domain_interpreter & 0xff;
    site->python_frames = t->python_frames;
    site->native_frames = t->native_frames;
    site->python_total = t->python_total;
    site->native_total = t->native_total;
    store_barrier();
    WRITE_ONCE(site->flags, MT_SITE_READY);
    /* One frame is a line, not a stack cut short. */
    if (frame_limit > 1 && (t->python_total > t->python_frames || t->native_total > t->native_frames))
        count_loss(MT_TRUNCATED_STACKS);
    event = bpf_ringbuf_reserve(&mt_events, sizeof(*event), 0);
    if (!event) {
        count_loss(MT_EVENTS_DROPPED);
        return 0;
    }
    event->type = MT_EVENT_SITE;
    event->site = id;
    bpf_ringbuf_submit(event, 0);
    return 0;
}

/* The site of the stack in t->words, made if it is new; SITE_NONE when the table is full. */
static __always_inline __u32 site_find(const struct mt_process *process, struct thread *t, __u32 domain, __u32 interpreter)
{
    __u64 key;
    bool made = false;
    __u32 id;

    if (threads_apart)
        identify(t);
    key = site_key(t, process->slot, domain);
    id = site_place(key, &made);
    if (made)
        site_publish(process, t, id, domain | interpreter << 8);
    return id;
}

/* The site of the thread's stack at the return of a hooked function of `domain` to `caller`, with the stack pointer `sp`; `interpreter`:
 * whose, if it is CPython's. */
static __always_inline __u32 site_of_caller(struct pt_regs *ctx, const struct mt_process *process, struct thread *t, __u32 domain,
                                            __u32 interpreter, __u64 caller, __u64 sp)
{
    bool native = domain == MT_DOMAIN_MALLOC || domain == MT_DOMAIN_MMAP;

    t->native_frames = 0;
    t->native_total = 0;
    t->python_frames = 0;
    t->python_total = 0;
    t->below = 0;
    if (!native) {
        python_walk(t, process, interpreter, domain != MT_DOMAIN_RAW);
    } else {
        for (interpreter = 0; interpreter < MT_MAX_INTERPRETERS; interpreter++) {
            if (interpreter >= process->pythons_known)
                break;
            python_walk_without_gil(t, process, interpreter);
            if (t->python_frames)
                break;
        }
    }
    if (native || t->python_frames == 0)
        native_walk(ctx, process, t, caller, sp);
    return site_find(process, t, domain, interpreter);
}

#endif
