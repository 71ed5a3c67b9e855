/* Named moments: a marked function begins or ends, or the program says so itself (include/memtrace_mark.h). What its process holds just
 * then goes to the reader. */
#ifndef MEMTRACE_MARKS_BPF_H
#define MEMTRACE_MARKS_BPF_H

#include "maps.bpf.h"

static __always_inline void fill_mark(struct mt_mark_event *event, const struct mt_process *process, __u64 cookie)
{
    event->type = MT_EVENT_MARK;
    event->process = process->index;
    event->mark = MT_MARK_COOKIE_MARK(cookie);
    event->kind = MT_MARK_COOKIE_KIND(cookie);
    event->time_ns = bpf_ktime_get_ns();
    event->bytes = READ_ONCE(process->total.bytes);
    event->name_unread = 0;
    event->name_bytes = 0;
    event->reserved = 0;
}

static __always_inline void mark_function(const struct mt_process *process, __u64 cookie)
{
    __u32 hit = (MT_MARK_COOKIE_MARK(cookie) & (MT_MAX_MARKS - 1)) * MT_MARK_KINDS + (MT_MARK_COOKIE_KIND(cookie) & 1);
    struct mt_mark_event *event;

    /* verifier: kept below the array's end by the masks above. */
    __sync_fetch_and_add(&mark_hits[hit], 1);
    event = bpf_ringbuf_reserve(&mt_marks, sizeof(*event), 0);
    if (!event) {
        count_loss(MT_MARKS_DROPPED);
        return;
    }
    fill_mark(event, process, cookie);
    bpf_ringbuf_submit(event, 0);
}

/* The name is the first argument. A constant that the program has never touched is not in memory: the reader reads it. */
static __always_inline void mark_named(struct pt_regs *ctx, const struct mt_process *process, __u64 cookie)
{
    struct mt_named_mark_event *event = bpf_ringbuf_reserve(&mt_marks, sizeof(*event), 0);
    long bytes;

    if (!event) {
        count_loss(MT_MARKS_DROPPED);
        return;
    }
    fill_mark(&event->mark, process, cookie);
    bytes = bpf_probe_read_user_str(event->name, sizeof(event->name), (const void *)PT_REGS_PARM1(ctx));
    if (bytes > 0)
        event->mark.name_bytes = bytes - 1;
    else
        event->mark.name_unread = PT_REGS_PARM1(ctx);
    bpf_ringbuf_submit(event, 0);
}

static __always_inline void mark(struct pt_regs *ctx, __u64 cookie)
{
    __u32 index = MT_MARK_COOKIE_PROCESS(cookie);
    const struct mt_process *process = bpf_map_lookup_elem(&mt_processes, &index);

    if (!counting || !process || process->ended)
        return;
    if (MT_MARK_COOKIE_KIND(cookie) == MT_MARK_NAMED)
        mark_named(ctx, process, cookie);
    else
        mark_function(process, cookie);
}

#endif
