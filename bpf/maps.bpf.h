/* All kernel memory of a trace. Capacities are set by the loader from options (userspace/loader/capacities.hpp). */
#ifndef MEMTRACE_MAPS_BPF_H
#define MEMTRACE_MAPS_BPF_H

#include "compat.bpf.h"
#include "memtrace.h"

/* Set before loading, so the verifier and the JIT see constants. */
const volatile __u32 live_buckets = 1;       /* elements of mt_live */
const volatile __u32 site_mask = 1;          /* elements of mt_sites - 1, a power of two - 1 */
const volatile __u32 frame_limit = 1;        /* --frames, 1..MT_MAX_FRAMES */
const volatile __u64 page_bytes = 4096;
const volatile __u64 pid_namespace_device = 0;
const volatile __u64 pid_namespace_inode = 0;
const volatile bool follows_forks = false;   /* or all that serves forks only is left out */
const volatile bool threads_apart = false;   /* sites of different threads are different sites */
const volatile __u32 occupied_shift = 0;     /* buckets that share a bit in occupied[]: log2 */
const volatile bool tells_calls = false;     /* each block that is allocated or freed goes to mt_calls */
const volatile bool initial_pid_namespace = false; /* ours is: numbers of processes in containers are known, too */

/* Written by the reader while we run. */
volatile __u32 counting = 0;                 /* 0: calls are not looked at */

/* Written here, read there: how often each thing went wrong. Atomic adds. */
__u64 losses[MT_LOSS_COUNT];

/* How often marked functions began and ended: two counters each. */
__u64 mark_hits[MT_MAX_MARKS * MT_MARK_KINDS];

/* Blocks that mt_calls had no room for. */
__u64 calls_untold;

/* Number of the next change in mt_journal. */
__u64 next_change;

/* Bit k: some key was ever put into its k-th choice of bucket; a missing key need not be looked for beyond the highest. */
__u32 live_choices_used;

/* Where forks are followed: a bit for each group of buckets that may hold a block, so that copying need not look at all. */
__u64 occupied[MT_OCCUPIED_BITS / 64];

/* Code objects lately seen, by hash of their address: a cache of mt_codes that every Python frame goes through. */
#define CODE_CELLS 65536
struct mt_code_cell code_cells[CODE_CELLS];
/* A bit for each: some code object was ever looked for there. Every block that is freed asks, and few are code objects. */
__u64 code_cells_used[CODE_CELLS / 64];

/* index -> bucket. Capacity from --live-blocks; full: MT_LOST_LIVE_FULL. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct mt_bucket);
} mt_live SEC(".maps");

/* site id -> site, open addressing by mt_site.key. Capacity from --sites; full: MT_LOST_SITE_FULL. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct mt_site);
} mt_sites SEC(".maps");

/* site id -> MT_STACK_WORDS(frame_limit) words, and MT_THREAD_WORDS more where threads are kept apart. As many as sites. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, MT_STACK_WORDS(MT_MAX_FRAMES) * sizeof(__u64));
} mt_stacks SEC(".maps");

/* process index -> process. Never full: the loader refuses more. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, MT_MAX_PROCESSES);
    __type(key, __u32);
    __type(value, struct mt_process);
} mt_processes SEC(".maps");

/* tgid -> process index, of processes whose program is traced. Never full: the loader refuses more. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, MT_MAX_PROCESSES);
    __type(key, __u32);
    __type(value, __u32);
} mt_followed SEC(".maps");

/* tid -> the fork it is in; the loader takes it out. Full: changes by other threads during that fork are not told apart. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, MT_MAX_PROCESSES);
    __type(key, __u32);
    __type(value, struct mt_fork);
} mt_forks SEC(".maps");

/* change number % capacity -> change. MT_JOURNAL_CHANGES when forks are followed; overwritten too early: MT_LOST_FORK_CHANGES. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct mt_change);
} mt_journal SEC(".maps");

/* site id -> (slot + 1) << 32 | the site of that slot with the same stack, lately inherited. As many as sites when forks are followed. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} mt_twins SEC(".maps");

/* probe index -> hits on this CPU. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, MT_MAX_PLACES);
    __type(key, __u32);
    __type(value, __u64);
} mt_hits SEC(".maps");

/* slot << 48 | code object -> what is known of it until it is freed. Capacity: as many as sites; full: looked at anew in each stack. */
struct code_known {
    __u64 identity;
    __s64 first_visible;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, __u64);
    __type(value, struct code_known);
} mt_codes SEC(".maps");

/* identity -> 1, of code objects the reader was told of. Capacity: as many as sites; full: told again. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, __u64);
    __type(value, __u8);
} mt_told SEC(".maps");

/* News for the reader. Capacity from the loader; full: MT_EVENTS_DROPPED, the numbers stay right, names are missing. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} mt_events SEC(".maps");

/* Named moments for the reader. Full: MT_MARKS_DROPPED. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 18);
} mt_marks SEC(".maps");

/* Single blocks for the reader, where it wants to hear of each; a page otherwise. Full: calls_untold; nobody waits, and no number depends on it. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} mt_calls SEC(".maps");

/* One call in progress: what its entry knew, until its return. */
struct call {
    __u64 stack_pointer;        /* at entry, where the return address stands; 0 = none in progress */
    __u64 size_bytes;
    __u64 old_address;          /* realloc, mremap: the block taken out of the table at entry; 0 = none */
    __u64 out_address;          /* posix_memalign: where the result will be; xallocx: the block */
    struct mt_block old;        /* its record, to settle or put back */
    __u16 probe;
    __u8 shape;
    __u8 contained;             /* a mapping made inside an allocator */
    __u8 old_unknown;           /* realloc, mremap: given a block we never saw */
    __u8 domain;                /* that was called */
    __u8 at_exits;              /* ends at a return instruction of its own; or is left by an exception, having done nothing */
    __u8 inner_returned;        /* a tail-called function returned with our stack pointer: our return must come next */
    __u32 generation;           /* of the old block */
    __u32 inner_calls;          /* taken to happen inside this one, and so not counted */
};

enum { CALL_HEAP, CALL_MAPPING, CALL_COUNT }; /* mappings are made inside heap calls: both are in progress then */

#define HASH_CHUNK 512
#define WINDOW_BYTES 1024 /* a power of two, a small part of a page */

/* A thread's own memory: uprobe programs can be preempted, so nothing per CPU may be held across helpers. */
struct thread {
    struct call calls[CALL_COUNT];
    struct call left;                        /* that an exception is leaving, unless it is caught inside; its old block is back */
    __u64 released;                          /* block last freed in a Python process: a lower domain may get it next */
    __u64 released_at;                       /* stack pointer then */
    __u32 released_domain;
    __u64 newest;                            /* block it allocated last; 0: freed since, or none */
    __u32 slot;                              /* of the process image that the following belongs to */
    __u32 tid;                               /* where threads are kept apart; 0 = not looked up */
    __u64 identity;                          /* which thread, of all that have that number */
    __u64 python_threads[MT_MAX_INTERPRETERS]; /* its PyThreadState, as last seen */
    __u64 thread_local_at[MT_MAX_INTERPRETERS]; /* where the interpreter keeps that pointer for this thread; 0 = not looked up */
    __u32 python_frames;
    __u32 python_total;
    __u32 native_frames;
    __u32 native_total;
    __u64 below;                             /* the Python frame below the oldest one stored */
    struct code_known code;                  /* of the frame just read */
    __u64 unreadable;                        /* something of the code object just looked at could not be read */
    __u64 window_at;                         /* the target's address of window[] */
    __u32 window_bytes;                      /* read there, of one Python frame or several */
    __u32 frame_at;                          /* where in it the part of the frame just read begins */
    __u8 window[WINDOW_BYTES + MT_FRAME_SPAN + 8]; /* slack for the last word of the last frame */
    __u64 chunk[HASH_CHUNK / 8];             /* part of a text being hashed */
    __u64 words[MT_STACK_WORDS(MT_MAX_FRAMES) + 1]; /* one more tells whether a native stack was deeper */
};

/* thread -> its memory; ends with the thread. No memory: MT_LOST_THREAD_STATE. */
struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct thread);
} mt_threads SEC(".maps");

static __always_inline void count_loss(enum mt_loss cause)
{
    __sync_fetch_and_add(&losses[cause], 1);
}

#endif
