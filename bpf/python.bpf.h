/* The running Python frames of this thread: positions only (code object, instruction). Names are copied once a code object,
 * at first sight, and decoded in user space. Offsets are data (struct mt_python). */
#ifndef MEMTRACE_PYTHON_BPF_H
#define MEMTRACE_PYTHON_BPF_H

#include "sites.bpf.h"

static __always_inline __u64 read_word(__u64 address)
{
    __u64 word = 0;

    /* Failure leaves 0, which no live pointer is: callers treat both alike. */
    bpf_probe_read_user(&word, sizeof(word), (const void *)address);
    return word;
}

/* A field of the frame part in t->frame; offsets are the loader's, still bounded. */
static __always_inline __u64 frame_word(const struct thread *t, __u32 offset)
{
    return *(const __u64 *)(t->frame + (offset & (MT_FRAME_SPAN - 1)));
}

static __always_inline bool read_frame(struct thread *t, const struct mt_python *py, __u64 frame)
{
    __u32 span = py->frame_span;

    /* verifier: refuses a length that is not bounded right here. */
    if (span > MT_FRAME_SPAN)
        return false;
    return bpf_probe_read_user(t->frame, span, (const void *)(frame + py->frame_base)) == 0;
}

static __always_inline __u32 *code_cell(__u64 code)
{
    return &code_cells[(code >> 4 ^ code >> 20) & (CODE_CELLS - 1)];
}

/* The newest frame of this thread, or 0: not a Python thread, not in Python, or (when it matters) without the GIL. */
static __always_inline __u64 python_newest(const struct mt_python *py, bool holds_gil)
{
    __u64 thread = read_word(py->current_thread);
    __u64 cframe;

    if (!thread)
        return 0;
    /* Any thread may allocate natively while another one runs Python: its frames are not ours. */
    if (!holds_gil && read_word(thread + py->thread_id) != thread_pointer())
        return 0;
    cframe = read_word(thread + py->thread_cframe);
    return cframe ? read_word(cframe + py->cframe_frame) : 0;
}

/* Stores frames from `frame` down into t->words. */
__noinline int python_walk(struct thread *t, const struct mt_python *py, __u64 frame)
{
    if (!t || !py)
        return 0;
    for (__u32 i = 0; i < frame_limit; i++) {
        __u64 code, instruction;

        if (!frame)
            return 0;
        if (!read_frame(t, py, frame)) {
            count_loss(MT_PYTHON_UNREADABLE);
            return 0;
        }
        code = frame_word(t, py->frame_code);
        instruction = frame_word(t, py->frame_instruction);
        frame = frame_word(t, py->frame_previous);
        if (i == 0)
            t->below = frame;
        t->words[2 * i] = code;
        t->words[2 * i + 1] = (__u64)READ_ONCE(*code_cell(code)) >> 1 << 32 |
                              (__u32)(instruction - code - py->code_first_instruction);
        t->python_frames = i + 1;
        t->python_total = i + 1;
    }
    if (frame)
        t->python_total++; /* deeper than asked for; how deep is not walked */
    return 0;
}

/* Whether the newest frame stored has not begun to run for the program (it is still setting up its cells): tracemalloc and
 * tracebacks show its caller instead. */
static __always_inline bool python_frame_hidden(const struct thread *t, const struct mt_python *py)
{
    __u32 first = 0;

    if (t->frame[py->frame_owner & (MT_FRAME_SPAN - 1)] == py->owner_generator)
        return false;
    bpf_probe_read_user(&first, sizeof(first), (const void *)(t->words[0] + py->code_first_traceable));
    return (__s32)(__u32)t->words[1] < (__s32)(first * 2);
}

static __always_inline void copy_name(struct mt_name *name, const struct mt_python *py, __u64 string)
{
    __u32 kind, bytes;

    name->state = 0;
    name->length = 0;
    bpf_probe_read_user(&name->state, sizeof(name->state), (const void *)(string + py->unicode_state));
    bpf_probe_read_user(&name->length, sizeof(name->length), (const void *)(string + py->unicode_length));
    kind = name->state >> 2 & 7;
    if (name->length > MT_NAME_BYTES)
        bytes = MT_NAME_BYTES;
    else
        bytes = name->length * kind;
    if (bytes > MT_NAME_BYTES)
        bytes = MT_NAME_BYTES;
    bpf_probe_read_user(name->text, bytes,
                        (const void *)(string + (name->state & 1 << 6 ? py->unicode_ascii : py->unicode_compact)));
}

/* Tells the reader about a code object, once in its life; whether that was or had been done. */
__noinline int code_seen(const struct mt_process *process, __u64 code)
{
    const struct mt_python *py;
    __u64 key;
    __u32 *cell = code_cell(code), *known;
    __u32 seen;
    struct mt_code_event *event;
    __u32 length = 0;

    if (!process)
        return false;
    py = &process->python;
    key = live_key(process->slot, code);
    known = bpf_map_lookup_elem(&mt_codes, &key);
    if (known && *known & 1)
        return true;
    if (known) {
        seen = *known;
    } else {
        __sync_fetch_and_or(cell, 1);
        seen = READ_ONCE(*cell) & ~1U;
        if (bpf_map_update_elem(&mt_codes, &key, &seen, BPF_NOEXIST)) {
            count_loss(MT_EVENTS_DROPPED);
            return false;
        }
    }
    event = bpf_ringbuf_reserve(&mt_events, sizeof(*event), 0);
    if (!event) {
        count_loss(MT_EVENTS_DROPPED);
        return false; /* tried again at its next new stack; its death is noticed all the same */
    }
    event->type = MT_EVENT_CODE;
    event->generation = seen >> 1;
    event->code = code;
    event->slot = process->slot;
    event->reserved = 0;
    event->first_line = read_word(code + py->code_first_line);
    event->linetable = read_word(code + py->code_linetable);
    copy_name(&event->filename, py, read_word(code + py->code_filename));
    copy_name(&event->qualname, py, read_word(code + py->code_qualname));
    bpf_probe_read_user(&length, sizeof(length), (const void *)(event->linetable + py->bytes_length));
    event->linetable_length = length;
    if (length > MT_LINETABLE_BYTES)
        length = MT_LINETABLE_BYTES;
    bpf_probe_read_user(event->linetable_data, length, (const void *)(event->linetable + py->bytes_data));
    bpf_ringbuf_submit(event, 0);
    seen |= 1;
    bpf_map_update_elem(&mt_codes, &key, &seen, BPF_EXIST); /* fails if the code has died meanwhile: nothing to remember */
    return true;
}

/* A block of the obj domain is freed: if it was a code object, its address may soon be another one. */
static __always_inline void code_maybe_freed(const struct mt_process *process, __u64 address)
{
    __u32 *cell = code_cell(address);
    __u64 key;

    if (!(READ_ONCE(*cell) & 1))
        return;
    key = live_key(process->slot, address);
    if (bpf_map_delete_elem(&mt_codes, &key) == 0)
        __sync_fetch_and_add(cell, 2);
}

#endif
