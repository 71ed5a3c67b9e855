/* The running Python frames of this thread: positions only (which code, which instruction). Offsets are data (struct mt_python). */
#ifndef MEMTRACE_PYTHON_BPF_H
#define MEMTRACE_PYTHON_BPF_H

#include "code.bpf.h"

/* Each frame of a Python function may have two of the interpreter's own below it (a call from C, a class's __init__). */
#define FRAMES_LOOKED_AT(shown) (3 * (shown) + 4)

/* Frames lie one above the other in the interpreter's own stack (3.11 on): what was called is less than this behind its caller. Read
 * together, several frames cost little more than one. */
#define PAGE_OF(address) ((address) & ~4095ULL)
_Static_assert(WINDOW_BYTES <= 4096 && MT_FRAME_SPAN <= WINDOW_BYTES, "a window holds a frame and lies in the page of its last frame's start");

/* A field of the frame part at t->frame_at; offsets are the loader's, still bounded. */
static __always_inline __u64 frame_word(const struct thread *t, __u32 offset)
{
    return *(const __u64 *)(t->window + (t->frame_at & (WINDOW_BYTES - 1)) + (offset & (MT_FRAME_SPAN - 1)));
}

static __always_inline __u8 frame_owner(const struct thread *t, const struct mt_python *py)
{
    return t->window[(t->frame_at & (WINDOW_BYTES - 1)) + (py->frame_owner & (MT_FRAME_SPAN - 1))];
}

/* Reads `bytes` from `address` on into the window. */
static __always_inline bool read_window(struct thread *t, __u64 address, __u64 bytes)
{
    /* verifier: refuses a length that is not bounded right here. */
    if (bytes > WINDOW_BYTES)
        return false;
    t->window_at = address;
    t->window_bytes = bpf_probe_read_user(t->window, bytes, (const void *)address) ? 0 : bytes;
    return t->window_bytes != 0;
}

/* Brings a frame into the window, unless it is there: with what lies in the same page before it if its caller's caller was near, too. */
static __always_inline bool read_frame(struct thread *t, const struct mt_python *py, __u64 frame)
{
    __u64 from = frame + py->frame_base, before = t->window_at, start;
    __u32 span = py->frame_span;

    if (from - before <= (__u64)t->window_bytes - span && t->window_bytes) {
        t->frame_at = from - before;
        return true;
    }
    if (t->window_bytes && before - from < WINDOW_BYTES) {
        start = from + span - WINDOW_BYTES;
        if (start < PAGE_OF(from))
            start = PAGE_OF(from);
        t->frame_at = from - start;
        if (read_window(t, start, from + span - start))
            return true;
    }
    t->frame_at = 0;
    return read_window(t, from, span);
}

/* Where an interpreter that keeps its running thread states thread-local keeps this thread's; 0 = nowhere yet. */
static __always_inline __u64 thread_local_address(const struct mt_python *py)
{
    __u64 block;

    if (!py->thread_local_module)
        return thread_pointer() + py->thread_local_offset;
    /* The C library's vector of blocks stands one word behind the thread pointer; an entry not yet in use is -1. */
    block = read_word(read_word(thread_pointer() + 8) + (__u64)py->thread_local_module * py->thread_local_stride);
    return block == 0 || block == ~0ULL ? 0 : block + py->thread_local_offset;
}

/* This thread's PyThreadState, or 0. Without the GIL it is the one last seen: it does not change while its thread waits for the
 * GIL, and is forgotten when it is freed. */
static __always_inline __u64 python_thread(struct thread *t, const struct mt_python *py, __u32 interpreter, bool holds_gil)
{
    __u64 state, at;

    if (py->current_thread) {
        state = read_word(py->current_thread);
        /* Any thread may allocate natively while another one runs Python: its frames are not ours. */
        if (!holds_gil && state && read_word(state + py->thread_id) != thread_pointer())
            state = 0;
    } else {
        at = t->thread_local_at[interpreter];
        if (!at)
            t->thread_local_at[interpreter] = at = thread_local_address(py);
        state = at ? read_word(at) : 0;
    }
    if (state) {
        t->python_threads[interpreter] = state;
        return state;
    }
    state = t->python_threads[interpreter];
    return state && read_word(state + py->thread_id) == thread_pointer() ? state : 0;
}

/* The newest frame of this thread, or 0: not a Python thread, or not in Python. */
static __always_inline __u64 python_newest(struct thread *t, const struct mt_python *py, __u32 interpreter, bool holds_gil)
{
    __u64 state = python_thread(t, py, interpreter, holds_gil);
    __u64 newest = state ? read_word(state + py->thread_frame) : 0;

    return newest && py->cframe_frame != MT_NO_OFFSET ? read_word(newest + py->cframe_frame) : newest;
}

/* A block of CPython's is freed: perhaps a code object, or this thread's PyThreadState. */
static __always_inline void python_memory_freed(const struct mt_process *process, struct thread *t, __u64 address)
{
    code_maybe_freed(process, address);
    for (int i = 0; i < MT_MAX_INTERPRETERS; i++) {
        if (t->python_threads[i] == address)
            t->python_threads[i] = 0;
    }
}

/* Stores the frame t->below, if it is a Python function's that the program can see (not one still setting up its cells): tracebacks
 * show no others. t->below becomes the one under it. False: it cannot be read. */
static __always_inline bool python_frame(struct thread *t, const struct mt_python *py, __u32 origin)
{
    __u64 code, instruction;
    __u32 stored;
    __s32 position;
    __u8 owner;

    if (!read_frame(t, py, t->below)) {
        count_loss(MT_PYTHON_UNREADABLE);
        return false;
    }
    t->below = frame_word(t, py->frame_previous);
    owner = frame_owner(t, py);
    if (owner >= py->owner_internal)
        return true;
    code = frame_word(t, py->frame_code) & ~3ULL; /* tagged from 3.14 on */
    instruction = frame_word(t, py->frame_instruction);
    position = py->instruction_bytes ? (__s32)instruction * (__s32)py->instruction_bytes
                                     : (__s32)(instruction - code - py->code_first_instruction);
    code_find(t, py, code, origin);
    if (owner != py->owner_generator && position < (__s32)t->code.first_visible)
        return true;
    stored = t->python_frames;
    if (stored >= MT_MAX_FRAMES)
        return false; /* frame_limit is no larger: never */
    t->words[2 * stored] = t->code.identity;
    t->words[2 * stored + 1] = (__u32)position;
    t->python_frames = stored + 1;
    return true;
}

/* The same for the frames after the newest. */
/* verifier: a global function is checked once and not in every round of the walk. */
__noinline int python_next_frame(struct thread *t, const struct mt_python *py, __u32 origin)
{
    return t && py && python_frame(t, py, origin);
}

/* Stores this thread's frames in t->words, newest first; t->below is what is left of the chain. */
static __always_inline void python_walk(struct thread *t, const struct mt_process *process, __u32 interpreter, bool holds_gil)
{
    const struct mt_python *py = &process->pythons[interpreter & (MT_MAX_INTERPRETERS - 1)];
    __u32 origin = process->index | interpreter << 16;

    t->python_frames = 0;
    t->window_bytes = 0; /* read long ago */
    t->below = python_newest(t, py, interpreter, holds_gil);
    if (t->below && python_frame(t, py, origin)) {
        for (__u32 i = 1; i < FRAMES_LOOKED_AT(frame_limit); i++) {
            if (!t->below || t->python_frames >= frame_limit || !python_next_frame(t, py, origin))
                break;
        }
    }
    t->python_total = t->python_frames;
}

/* verifier: a global function is checked once, not for each of the interpreters that a native call may have below it. */
__noinline int python_walk_without_gil(struct thread *t, const struct mt_process *process, __u32 interpreter)
{
    if (t && process && interpreter < MT_MAX_INTERPRETERS)
        python_walk(t, process, interpreter, false);
    return 0;
}

#define DEPTH_STRIDE 32

/* Goes up to DEPTH_STRIDE frames down from t->below; how many of them are visible. Those that are not are told by their owner alone. */
__noinline int python_depth_stride(struct thread *t, const struct mt_python *py)
{
    __u32 more = 0;

    if (!t || !py)
        return 0;
    for (__u32 i = 0; i < DEPTH_STRIDE; i++) {
        if (!t->below)
            break;
        if (!read_frame(t, py, t->below)) {
            t->below = 0;
            break;
        }
        t->below = frame_word(t, py->frame_previous);
        if (frame_owner(t, py) < py->owner_internal)
            more++;
    }
    return more;
}

/* How many more frames there are in t->below. */
/* verifier: MT_MAX_DEPTH rounds of the walk itself would count as as many paths. */
static __always_inline __u32 python_depth_below(struct thread *t, const struct mt_python *py)
{
    __u32 more = 0;

    for (__u32 i = 0; i < MT_MAX_DEPTH / DEPTH_STRIDE && t->below; i++)
        more += python_depth_stride(t, py);
    return more;
}

#endif
