/* The running Python frames of this thread: positions only (which code, which instruction). Offsets are data (struct mt_python). */
#ifndef MEMTRACE_PYTHON_BPF_H
#define MEMTRACE_PYTHON_BPF_H

#include "code.bpf.h"

/* Each frame of a Python function may have two of the interpreter's own below it (a call from C, a class's __init__). */
#define FRAMES_LOOKED_AT(shown) (3 * (shown) + 4)

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
/* verifier: a global function is checked once and not in every round of the walk. */
__noinline int python_frame(struct thread *t, const struct mt_python *py, __u32 origin)
{
    __u64 code, instruction;
    __u32 stored;
    __s32 position;
    __u8 owner;

    if (!t || !py)
        return false;
    if (!read_frame(t, py, t->below)) {
        count_loss(MT_PYTHON_UNREADABLE);
        return false;
    }
    t->below = frame_word(t, py->frame_previous);
    owner = t->frame[py->frame_owner & (MT_FRAME_SPAN - 1)];
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

/* Stores this thread's frames in t->words, newest first; t->below is what is left of the chain. */
__noinline int python_walk(struct thread *t, const struct mt_process *process, __u32 interpreter, __u32 holds_gil)
{
    const struct mt_python *py;

    if (!t || !process || interpreter >= MT_MAX_INTERPRETERS)
        return 0;
    py = &process->pythons[interpreter];
    t->python_frames = 0;
    t->below = python_newest(t, py, interpreter, holds_gil);
    for (__u32 i = 0; i < FRAMES_LOOKED_AT(frame_limit); i++) {
        if (!t->below || t->python_frames >= frame_limit || !python_frame(t, py, process->index | interpreter << 16))
            break;
    }
    t->python_total = t->python_frames;
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
        if (t->frame[py->frame_owner & (MT_FRAME_SPAN - 1)] < py->owner_internal)
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
