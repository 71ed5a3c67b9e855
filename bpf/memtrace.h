/* The ABI between the kernel side (bpf/) and the reader (userspace/): data only, included by both compilers.
 * Everything the reader sees of a running trace lies in mmap'ed arrays of these structures; only rare news goes through the ring. */
#ifndef MEMTRACE_H
#define MEMTRACE_H

#include <linux/types.h>

/* Who was asked for the memory. One list: the enum, the names and the numbering of per-domain arrays. A higher one may hand
 * a request on to a lower one. */
#define MT_DOMAINS(DOMAIN)                                                         \
    DOMAIN(MT_DOMAIN_MALLOC, "malloc") /* the C library */                         \
    DOMAIN(MT_DOMAIN_MMAP,   "mmap")   /* mappings the program made itself */      \
    DOMAIN(MT_DOMAIN_RAW,    "raw")    /* CPython's PyMem_Raw */                   \
    DOMAIN(MT_DOMAIN_MEM,    "mem")    /* CPython's PyMem */                       \
    DOMAIN(MT_DOMAIN_OBJ,    "obj")    /* CPython's PyObject; PyMem where they share functions */

enum mt_domain {
#define DOMAIN(id, name) id,
    MT_DOMAINS(DOMAIN)
#undef DOMAIN
    MT_DOMAIN_COUNT
};

/* Where the arguments of a hooked function stand, counted from its first one (its second for CPython's: ctx comes first). */
enum mt_shape {
    MT_SHAPE_ALLOC,          /* (size) -> block */
    MT_SHAPE_ALLOC_ARRAY,    /* (count, size) -> block */
    MT_SHAPE_ALLOC_ALIGNED,  /* (alignment, size) -> block */
    MT_SHAPE_ALLOC_OUT,      /* (&block, alignment, size) -> 0 or errno */
    MT_SHAPE_REALLOC,        /* (old, size) -> block */
    MT_SHAPE_REALLOC_ARRAY,  /* (old, count, size) -> block */
    MT_SHAPE_RESIZE,         /* (block, size) -> the size it has then; fewer than asked for: nothing was done */
    MT_SHAPE_FREE,           /* (block) */
    MT_SHAPE_FREE_INNER,     /* (block), by an allocator that others are built upon: what they call it with are not all blocks */
    MT_SHAPE_FREE_OUTER,     /* (block), by an allocator around another one: what is freed until its return is its own business */
    MT_SHAPE_MAP,            /* (hint, size) -> mapping or MAP_FAILED */
    MT_SHAPE_REMAP,          /* (old, old size, size) -> mapping or MAP_FAILED */
    MT_SHAPE_UNMAP,          /* (mapping, size) */
    MT_SHAPE_EXCEPTION,      /* (…): the call in progress may be left by an exception from now on */
    MT_SHAPE_COUNT
};

/* Everything that is dropped or not fully known, by cause; printed in every report, zeros included.
 * Third column: 1 = an event is missing from the numbers, 0 = a qualification of numbers that are there. */
#define MT_LOSSES(LOSS)                                                                                                 \
    LOSS(MT_LOST_LIVE_FULL,      "live table full", 1)         /* allocation not counted: no room for its block */      \
    LOSS(MT_LOST_SITE_FULL,      "site table full", 1)         /* allocation not counted: no room for its site */       \
    LOSS(MT_LOST_THREAD_STATE,   "no thread state", 1)         /* call not seen: the kernel had no memory for it */     \
    LOSS(MT_LOST_RETURN,         "return not seen", 1)         /* call whose return never came (longjmp, unwinding) */  \
    LOSS(MT_LOST_RESULT,         "result unreadable", 1)       /* posix_memalign's result could not be read */          \
    LOSS(MT_LOST_FREE,           "free not seen", 1)           /* address handed out twice: a free in between missed */ \
    LOSS(MT_LOST_FORK_CHANGES,   "changes at forks lost", 1)   /* by other threads: more than their journal holds */    \
    LOSS(MT_UNTRACKED_FREES,     "untracked frees", 0)         /* of a block never seen: older than the trace */        \
    LOSS(MT_UNTRACKED_UNMAPS,    "untracked unmaps", 0)        /* of a mapping never seen, or not from its start */     \
    LOSS(MT_TRUNCATED_STACKS,    "truncated", 0)               /* new stacks deeper than --frames */                    \
    LOSS(MT_PYTHON_UNREADABLE,   "python frame unreadable", 0) /* the interpreter's frame could not be read */          \
    LOSS(MT_EVENTS_DROPPED,      "events dropped", 0)          /* news for the reader lost: its ring was full */         \
    LOSS(MT_MARKS_DROPPED,       "marks dropped", 0)           /* came faster than the reader takes them */

enum mt_loss {
#define LOSS(id, name, lost) id,
    MT_LOSSES(LOSS)
#undef LOSS
    MT_LOSS_COUNT
};

#define MT_MAX_FRAMES 128 /* of one kind (Python, native) in one stack */
#define MT_MAX_PROBES 256    /* of one process */
#define MT_MAX_PLACES 2048   /* probes of all processes; those at the same place of the same file are one */
#define MT_MAX_PROCESSES 1024 /* at one time */
#define MT_MAX_INTERPRETERS 4 /* CPythons in one process: an embedding host may load more than one */

/* ---- live table: one record a live block --------------------------------------------------------------------------- */

/* Open addressing in buckets of three cache lines: one of keys, two of blocks: 24 bytes a slot. */
#define MT_BUCKET_SLOTS 8
#define MT_BUCKET_CHOICES 24    /* buckets a key may be in: at 3/4 full none of ten million keys misses them all */
#define MT_BUCKET_GROUP 16      /* neighbouring buckets that serve neighbouring addresses */
#define MT_OCCUPIED_BITS 65536  /* groups of buckets, of 2^n neighbours each, that are told apart when looking for what there is */
#define MT_KEY_FREE 0ULL
#define MT_KEY_BUSY (~0ULL)     /* being written: not a block yet */
#define MT_KEY_ADDRESS_BITS 48  /* key = process slot << 48 | address */

struct mt_block {
    __u64 size_bytes;
    __u32 site;                 /* index into the site table, or MT_SITE_CONTAINER */
    __u32 time_jiffies;         /* low half of the kernel's tick counter at allocation */
};

struct mt_bucket {
    __u64 keys[MT_BUCKET_SLOTS];
    struct mt_block blocks[MT_BUCKET_SLOTS];
};

/* The kernel's tick counter and its monotonic clock at one moment: what a block's time_jiffies is compared with. */
struct mt_clock {
    __u64 jiffies;
    __u64 time_ns;
};

/* A mapping an allocator made to carve blocks from: known so that its unmapping is understood, counted nowhere. */
#define MT_SITE_CONTAINER 0xffffffffU

/* ---- site table: process slot + domain + stack --------------------------------------------------------------------- */

#define MT_SITE_READY 1U        /* the stack record is complete */
#define MT_SITE_PROBES 256      /* slots looked at before the table counts as full: enough at 9/10 */

struct mt_site {
    __u64 key;                  /* 64-bit hash of all the rest; 0 = free */
    __u64 allocated_blocks;
    __u64 allocated_bytes;
    __u64 freed_blocks;
    __u64 freed_bytes;
    __u64 temporary_blocks;     /* of the freed ones: by the thread that allocated them, before it allocated again */
    __u8 flags;
    __u8 domain;
    __u8 python_frames;         /* stored; in the stack record before the native ones */
    __u8 native_frames;         /* stored */
    __u16 slot;
    __u16 python_total;         /* true depth when the site was new; MT_MAX_DEPTH more than stored stand for that many or more */
    __u16 native_total;         /* the same; one more than stored when truncated */
    __u16 reserved;
    __u32 thread;               /* its number, where threads are kept apart; one site, one cache line */
};

/* The stack of site i is element i of the stack table: python_frames × {code identity, position}, then native return
 * addresses. Its size follows from --frames. Position: signed bytes from the first instruction, in the low 32 bits. Identity: hash of
 * all that names and lines follow from (mt_code_event), so that it outlives the code object; bit 0 = the reader was told of it. */
#define MT_PYTHON_FRAME_WORDS 2
#define MT_CODE_TOLD 1ULL
#define MT_MAX_DEPTH 1024       /* Python frames counted: the interpreter's own default limit of recursion is 1000 */
#define MT_STACK_WORDS(frames) ((frames) * (MT_PYTHON_FRAME_WORDS + 1))
/* Behind the frames where threads are kept apart: which thread, and what it was called when the site was new. */
#define MT_THREAD_NAME_BYTES 16 /* TASK_COMM_LEN */
#define MT_THREAD_WORDS (1 + MT_THREAD_NAME_BYTES / 8)

/* A code object lately seen. The reader does not look at these; they are here since all of a program's data is. */
#define MT_CODE_BUSY (~0ULL)
struct mt_code_cell {
    __u64 key;                  /* slot << 48 | code object; 0 = none, MT_CODE_BUSY = being written */
    __u64 identity;
    __s32 first_visible;        /* bytes: frames before this instruction are still being set up */
    __u32 contended;            /* other code objects hash here, too: the map has to be asked */
};

/* ---- processes ----------------------------------------------------------------------------------------------------- */

#define MT_CACHE_LINE 64
struct mt_usage {
    __u64 bytes;                /* live now */
    __u64 peak_bytes;           /* before they last became fewer: the peak is this or `bytes`, whichever is more */
};

/* Where to find the running Python frame; offsets are data, one set a CPython version (userspace/python/offsets.cpp). */
#define MT_NO_OFFSET 0xffffffffU
#define MT_NO_OWNER 256U        /* no value of a byte */
struct mt_python {
    __u64 runtime;              /* address of _PyRuntime: which interpreter this is */
    /* The PyThreadState that holds the GIL: until 3.11 one pointer for all threads, later one for each. */
    __u64 current_thread;       /* address of that pointer; 0 = it is thread-local: */
    __s64 thread_local_offset;  /* from the thread pointer, or in the module's block of thread-local memory */
    __u32 thread_local_module;  /* which block: index into the thread's vector of them; 0 = static */
    __u32 thread_local_stride;  /* bytes from one entry of that vector to the next */
    __u32 thread_id;            /* PyThreadState: pthread_self() of its thread */
    __u32 thread_frame;         /* PyThreadState: pointer to the newest frame or, where there is one, to _PyCFrame */
    __u32 cframe_frame;         /* _PyCFrame: newest frame; MT_NO_OFFSET = there is none in between */
    __u32 frame_base;           /* first byte of a frame that is read; the following four count from there */
    __u32 frame_code;
    __u32 frame_previous;
    __u32 frame_instruction;    /* pointer to the instruction, or its index */
    __u32 frame_owner;          /* one byte */
    __u32 frame_span;           /* bytes read from a frame, at most MT_FRAME_SPAN */
    __u32 instruction_bytes;    /* 0: frame_instruction is a pointer; else an int that counts so many bytes */
    __u32 owner_generator;      /* value of owner for frames of generators; MT_NO_OWNER */
    __u32 owner_internal;       /* from this value on: the interpreter's own frames, no Python function's; MT_NO_OWNER */
    __u32 code_first_instruction;
    __u32 code_first_traceable; /* int, in instructions of 2 bytes; MT_NO_OFFSET = every frame shows */
    __u32 code_first_line;
    __u32 code_filename;
    __u32 code_name;            /* qualified where the version has it */
    __u32 code_linetable;
    __u32 unicode_length;
    __u32 unicode_state;
    __u32 unicode_kind_shift;   /* in the state: bytes a character (3 bits), compact, ASCII (1 each) */
    __u32 unicode_ascii;        /* text of a compact ASCII string */
    __u32 unicode_compact;      /* text of any other compact string; pointer to the text of one that is not compact */
    __u32 bytes_length;
    __u32 bytes_data;
    __u32 linetable_format;     /* for the reader */
    __u32 frees_unseen;         /* not all: a code object may have died, and its address be another one's */
    __u32 reserved;
    /* The ctx of each domain's table, where domains share functions: tells who asked. */
    __u64 contexts[MT_DOMAIN_COUNT];
};
#define MT_FRAME_SPAN 128

/* A place in a wrapper (hooks.h) that a hooked function returns to. */
#define MT_MAX_WRAPPER_CALLS 48
struct mt_wrapper_call {
    __u64 return_address;
    __u64 caller_at;            /* bytes from the stack pointer there up to where the wrapper's own return address stands */
};
#define MT_WRAPPER_DEPTH 3      /* wrappers that call wrappers: operator new[](nothrow) -> operator new(nothrow) -> operator new */

struct mt_process {
    __u32 index;                /* of this record */
    __u32 slot;                 /* in keys of the live table and in sites; a new one after exec */
    __u32 forking;              /* forks whose child has not yet got its copy of the blocks: changes are journaled */
    __u32 ended;                /* the image is gone (exec): nothing is counted any more */
    __u32 generation;           /* of its blocks: another one after all were forgotten (clear) */
    __u32 reserved;
    __u64 pythons_known;
    struct mt_python pythons[MT_MAX_INTERPRETERS];
    __u64 wrapper_calls_known;
    struct mt_wrapper_call wrapper_calls[MT_MAX_WRAPPER_CALLS];
    /* Written by every event of every thread, hence in a cache line that nothing is in that is only read. */
    struct mt_usage total __attribute__((aligned(MT_CACHE_LINE)));
    struct mt_usage domains[MT_DOMAIN_COUNT];
};

/* ---- forks ---------------------------------------------------------------------------------------------------------- */

/* What changed in a process's live blocks while a child of it waits for its copy of them: the state at the fork is the state now
 * with these taken back. Change number n (from 0) stands in element n % MT_JOURNAL_CHANGES. */
#define MT_JOURNAL_CHANGES 65536
struct mt_change {
    __u64 number;               /* n + 1, written last: something else = overwritten, or being written */
    __u64 key;                  /* of the live table */
    struct mt_block block;      /* that was taken */
    __u32 taken;                /* 1: taken out of the table; 0: put in */
    __u32 reserved;
};

/* A fork, by the thread that called it. */
struct mt_fork {
    __u64 first_change;         /* the first one that the child's memory does not show */
    __u32 process;
    __u32 slot;
};

/* For mt_inherit: gives process `to` the blocks of slot `from` in a range of groups of buckets. For mt_settle: puts one block right. */
struct mt_inheritance {
    __u32 from;
    __u32 to;
    __u32 first_group;          /* as in MT_OCCUPIED_BITS */
    __u32 groups;
    __u64 address;
    struct mt_block block;
    __u32 had;                  /* whether the child has this block */
    __u32 reserved;
};

/* ---- what a probe carries ------------------------------------------------------------------------------------------ */

/* Attach cookie: probe index (16 bits), process index (16), domain (4), interpreter (4), shape (8; MT_AT_EXITS added where the end is seen
 * at return instructions), and the argument registers (0 = rdi, rsi, rdx, rcx, r8, r9) that hold the shape's first, second and third
 * argument at the probe, and CPython's ctx (4 each). */
#define MT_AT_EXITS 0x80
#define MT_COOKIE(probe, process, domain, interpreter, shape, a, b, c, ctx)                                           \
    ((__u64)(probe) | (__u64)(process) << 16 | (__u64)(domain) << 32 | (__u64)(interpreter) << 36 |                   \
     (__u64)(shape) << 40 | (__u64)(a) << 48 | (__u64)(b) << 52 | (__u64)(c) << 56 | (__u64)(ctx) << 60)
#define MT_COOKIE_PROBE(c) ((__u32)(c) & 0xffff)
#define MT_COOKIE_PROCESS(c) ((__u32)((c) >> 16) & 0xffff)
#define MT_COOKIE_DOMAIN(c) ((__u32)((c) >> 32) & 0xf)
#define MT_COOKIE_INTERPRETER(c) ((__u32)((c) >> 36) & (MT_MAX_INTERPRETERS - 1))
#define MT_COOKIE_SHAPE(c) ((__u32)((c) >> 40) & 0x7f)
#define MT_COOKIE_AT_EXITS(c) ((__u32)((c) >> 40) & MT_AT_EXITS)
#define MT_COOKIE_REGISTER(c, argument) ((__u32)((c) >> (48 + 4 * (argument))) & 0xf)
#define MT_COOKIE_CTX 3         /* as `argument` */
#define MT_NO_REGISTER 0xfU

/* Of a mark: number of the marked function (16 bits), process index (16), kind (8). */
enum mt_mark_kind { MT_MARK_BEFORE, MT_MARK_AFTER, MT_MARK_NAMED };
#define MT_MAX_MARKS 64         /* marked functions; a power of two */
#define MT_MARK_KINDS 2         /* that functions have */
#define MT_MARK_COOKIE(mark, process, kind) ((__u64)(mark) | (__u64)(process) << 16 | (__u64)(kind) << 32)
#define MT_MARK_COOKIE_MARK(c) ((__u32)(c) & 0xffff)
#define MT_MARK_COOKIE_PROCESS(c) ((__u32)((c) >> 16) & 0xffff)
#define MT_MARK_COOKIE_KIND(c) ((__u32)((c) >> 32) & 0xff)

/* ---- news through the ring ----------------------------------------------------------------------------------------- */

enum mt_event_type { MT_EVENT_SITE, MT_EVENT_CODE, MT_EVENT_EXEC, MT_EVENT_MARK };

struct mt_site_event {
    __u32 type;
    __u32 site;
};

struct mt_exec_event {
    __u32 type;
    __u32 process;
};

/* A named moment. Through a ring of its own: too many of them cost no other news. */
struct mt_mark_event {
    __u32 type;
    __u32 process;
    __u32 mark;                 /* number of the marked function */
    __u32 kind;
    __u64 time_ns;              /* monotonic */
    __u64 bytes;                /* that the process held */
    __u64 name_unread;          /* MT_MARK_NAMED: address of a name that was not in memory; 0 = it follows */
    __u32 name_bytes;
    __u32 reserved;
};
#define MT_MARK_NAME_BYTES 256  /* with its end; a longer one is cut */
struct mt_named_mark_event {
    struct mt_mark_event mark;
    char name[MT_MARK_NAME_BYTES];
};

/* A block that was allocated or freed, where each is told (--trace). Through a ring of its own, which may be full while all else is right. */
struct mt_call_event {
    __u64 time_ns;              /* monotonic */
    __u64 address;
    __u64 size_bytes;
    __u32 process;              /* its index */
    __u32 tid;
    __u32 site;                 /* where it was allocated */
    __u32 freed;                /* 0: allocated */
    char comm[MT_THREAD_NAME_BYTES];
};

/* A code object at first sight, copied before it can die. A longer text is cut; lengths are the true ones. */
#define MT_NAME_BYTES 512
#define MT_LINETABLE_BYTES 4096
struct mt_text {
    __u64 address;
    __u32 kind;                 /* bytes a character: 1, 2, 4; else unreadable */
    __u32 length;               /* in characters */
};
struct mt_name {
    struct mt_text of;
    __u8 text[MT_NAME_BYTES];
};
struct mt_code_event {
    __u32 type;
    __u32 process;
    __u64 identity;
    __u32 interpreter;
    __u32 first_line;
    __u64 linetable;            /* address of the bytes object's content */
    __u32 linetable_length;
    __u32 reserved;
    struct mt_name filename;
    struct mt_name name;
    __u8 linetable_data[MT_LINETABLE_BYTES];
};

#endif
