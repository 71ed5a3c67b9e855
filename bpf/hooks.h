/* The one list of what is hooked. The BPF programs, the attachment, `memtrace-bpf probes` and the documentation follow it.
 * Each row: symbol, domain, shape. The shape says where the arguments stand and what the result means (memtrace.h).
 * Aliases (mmap/mmap64, aligned_alloc/memalign) that share an address are probed once, under the first name found. */
#ifndef MEMTRACE_HOOKS_H
#define MEMTRACE_HOOKS_H

/* C library functions, found by symbol. */
#define MT_LIBC_HOOKS(HOOK)                                     \
    HOOK(free,           MT_DOMAIN_MALLOC, MT_SHAPE_FREE)          \
    HOOK(malloc,         MT_DOMAIN_MALLOC, MT_SHAPE_ALLOC)         \
    HOOK(calloc,         MT_DOMAIN_MALLOC, MT_SHAPE_ALLOC_ARRAY)   \
    HOOK(realloc,        MT_DOMAIN_MALLOC, MT_SHAPE_REALLOC)       \
    HOOK(reallocarray,   MT_DOMAIN_MALLOC, MT_SHAPE_REALLOC_ARRAY) \
    HOOK(posix_memalign, MT_DOMAIN_MALLOC, MT_SHAPE_ALLOC_OUT)     \
    HOOK(aligned_alloc,  MT_DOMAIN_MALLOC, MT_SHAPE_ALLOC_ALIGNED) \
    HOOK(memalign,       MT_DOMAIN_MALLOC, MT_SHAPE_ALLOC_ALIGNED) \
    HOOK(valloc,         MT_DOMAIN_MALLOC, MT_SHAPE_ALLOC)         \
    HOOK(pvalloc,        MT_DOMAIN_MALLOC, MT_SHAPE_ALLOC)         \
    HOOK(munmap,         MT_DOMAIN_MMAP,   MT_SHAPE_UNMAP)         \
    HOOK(mmap,           MT_DOMAIN_MMAP,   MT_SHAPE_MAP)           \
    HOOK(mmap64,         MT_DOMAIN_MMAP,   MT_SHAPE_MAP)           \
    HOOK(mremap,         MT_DOMAIN_MMAP,   MT_SHAPE_REMAP)

/* What some C libraries and allocators have beside those: C23's and BSD's, jemalloc's (flags come last). */
#define MT_HEAP_HOOKS(HOOK)                    \
    HOOK(free_sized,         MT_SHAPE_FREE)    \
    HOOK(free_aligned_sized, MT_SHAPE_FREE)    \
    HOOK(cfree,              MT_SHAPE_FREE)    \
    HOOK(mallocx,            MT_SHAPE_ALLOC)   \
    HOOK(rallocx,            MT_SHAPE_REALLOC) \
    HOOK(xallocx,            MT_SHAPE_RESIZE)  \
    HOOK(dallocx,            MT_SHAPE_FREE)    \
    HOOK(sdallocx,           MT_SHAPE_FREE)

/* What the heap functions of both lists are called where an allocator lives beside the C library's: jemalloc's (and Rust's), mimalloc's,
 * tcmalloc's. --allocator-prefix adds others. */
#define MT_ALLOCATOR_PREFIXES(PREFIX) \
    PREFIX("je_")                     \
    PREFIX("_rjem_")                  \
    PREFIX("mi_")                     \
    PREFIX("tc_")

/* How a call ends: MT_RETURNS, or MT_THROWS when memory is short. A function that an exception may pass has no return probe: the unwinder
 * does not know the return address that the kernel puts in place, and ends the program. Its own return instructions have probes. */

/* mimalloc's own, each as mi_NAME and, with a heap before its arguments, as mi_heap_NAME; and those of one kind only. */
#define MT_MIMALLOC_HOOKS(HOOK)                      \
    HOOK(malloc_small,       MT_SHAPE_ALLOC)         \
    HOOK(zalloc,             MT_SHAPE_ALLOC)         \
    HOOK(zalloc_small,       MT_SHAPE_ALLOC)         \
    HOOK(mallocn,            MT_SHAPE_ALLOC_ARRAY)   \
    HOOK(reallocn,           MT_SHAPE_REALLOC_ARRAY) \
    HOOK(rezalloc,           MT_SHAPE_REALLOC)       \
    HOOK(recalloc,           MT_SHAPE_REALLOC_ARRAY) \
    HOOK(malloc_aligned,     MT_SHAPE_ALLOC)         \
    HOOK(malloc_aligned_at,  MT_SHAPE_ALLOC)         \
    HOOK(zalloc_aligned,     MT_SHAPE_ALLOC)         \
    HOOK(zalloc_aligned_at,  MT_SHAPE_ALLOC)         \
    HOOK(calloc_aligned,     MT_SHAPE_ALLOC_ARRAY)   \
    HOOK(calloc_aligned_at,  MT_SHAPE_ALLOC_ARRAY)   \
    HOOK(realloc_aligned,    MT_SHAPE_REALLOC)       \
    HOOK(realloc_aligned_at, MT_SHAPE_REALLOC)       \
    HOOK(rezalloc_aligned,   MT_SHAPE_REALLOC)       \
    HOOK(rezalloc_aligned_at, MT_SHAPE_REALLOC)      \
    HOOK(recalloc_aligned,   MT_SHAPE_REALLOC_ARRAY) \
    HOOK(recalloc_aligned_at, MT_SHAPE_REALLOC_ARRAY)

#define MT_OWN_HOOKS(HOOK) /* symbol, place of its first argument, shape, end */        \
    HOOK(mi_heap_malloc,           1, MT_SHAPE_ALLOC,         MT_RETURNS)               \
    HOOK(mi_heap_calloc,           1, MT_SHAPE_ALLOC_ARRAY,   MT_RETURNS)               \
    HOOK(mi_heap_realloc,          1, MT_SHAPE_REALLOC,       MT_RETURNS)               \
    HOOK(mi_expand,                0, MT_SHAPE_REALLOC,       MT_RETURNS)               \
    HOOK(mi_free_size,             0, MT_SHAPE_FREE,          MT_RETURNS)               \
    HOOK(mi_free_size_aligned,     0, MT_SHAPE_FREE,          MT_RETURNS)               \
    HOOK(mi_free_aligned,          0, MT_SHAPE_FREE,          MT_RETURNS)               \
    HOOK(mi_new,                   0, MT_SHAPE_ALLOC,         MT_THROWS)                \
    HOOK(mi_new_n,                 0, MT_SHAPE_ALLOC_ARRAY,   MT_THROWS)                \
    HOOK(mi_new_aligned,           0, MT_SHAPE_ALLOC,         MT_THROWS)                \
    HOOK(mi_new_nothrow,           0, MT_SHAPE_ALLOC,         MT_RETURNS)               \
    HOOK(mi_new_aligned_nothrow,   0, MT_SHAPE_ALLOC,         MT_RETURNS)               \
    HOOK(mi_new_realloc,           0, MT_SHAPE_REALLOC,       MT_THROWS)                \
    HOOK(mi_new_reallocn,          0, MT_SHAPE_REALLOC_ARRAY, MT_THROWS)                \
    HOOK(mi_heap_alloc_new,        1, MT_SHAPE_ALLOC,         MT_THROWS)                \
    HOOK(mi_heap_alloc_new_n,      1, MT_SHAPE_ALLOC_ARRAY,   MT_THROWS)                \
    HOOK(tc_malloc_skip_new_handler, 0, MT_SHAPE_ALLOC,       MT_RETURNS)               \
    HOOK(tc_new,                   0, MT_SHAPE_ALLOC,         MT_THROWS)                \
    HOOK(tc_newarray,              0, MT_SHAPE_ALLOC,         MT_THROWS)                \
    HOOK(tc_new_aligned,           0, MT_SHAPE_ALLOC,         MT_THROWS)                \
    HOOK(tc_newarray_aligned,      0, MT_SHAPE_ALLOC,         MT_THROWS)                \
    HOOK(tc_new_nothrow,           0, MT_SHAPE_ALLOC,         MT_RETURNS)               \
    HOOK(tc_newarray_nothrow,      0, MT_SHAPE_ALLOC,         MT_RETURNS)               \
    HOOK(tc_new_aligned_nothrow,   0, MT_SHAPE_ALLOC,         MT_RETURNS)               \
    HOOK(tc_newarray_aligned_nothrow, 0, MT_SHAPE_ALLOC,      MT_RETURNS)               \
    HOOK(tc_delete,                0, MT_SHAPE_FREE,          MT_RETURNS)               \
    HOOK(tc_deletearray,           0, MT_SHAPE_FREE,          MT_RETURNS)               \
    HOOK(tc_delete_sized,          0, MT_SHAPE_FREE,          MT_RETURNS)               \
    HOOK(tc_deletearray_sized,     0, MT_SHAPE_FREE,          MT_RETURNS)               \
    HOOK(tc_delete_aligned,        0, MT_SHAPE_FREE,          MT_RETURNS)               \
    HOOK(tc_deletearray_aligned,   0, MT_SHAPE_FREE,          MT_RETURNS)               \
    HOOK(tc_delete_sized_aligned,  0, MT_SHAPE_FREE,          MT_RETURNS)               \
    HOOK(tc_deletearray_sized_aligned, 0, MT_SHAPE_FREE,      MT_RETURNS)

/* operator new and delete of whoever defines them, unless they only call or jump to another hooked function: then that one is probed
 * alone. Sizes come first, alignments behind them. */
#define MT_OPERATOR_HOOKS(HOOK)                                              \
    HOOK(_Znwm,                                MT_SHAPE_ALLOC, MT_THROWS)    \
    HOOK(_Znam,                                MT_SHAPE_ALLOC, MT_THROWS)    \
    HOOK(_ZnwmSt11align_val_t,                 MT_SHAPE_ALLOC, MT_THROWS)    \
    HOOK(_ZnamSt11align_val_t,                 MT_SHAPE_ALLOC, MT_THROWS)    \
    HOOK(_ZnwmRKSt9nothrow_t,                  MT_SHAPE_ALLOC, MT_RETURNS)   \
    HOOK(_ZnamRKSt9nothrow_t,                  MT_SHAPE_ALLOC, MT_RETURNS)   \
    HOOK(_ZnwmSt11align_val_tRKSt9nothrow_t,   MT_SHAPE_ALLOC, MT_RETURNS)   \
    HOOK(_ZnamSt11align_val_tRKSt9nothrow_t,   MT_SHAPE_ALLOC, MT_RETURNS)   \
    HOOK(_ZdlPv,                               MT_SHAPE_FREE,  MT_RETURNS)   \
    HOOK(_ZdaPv,                               MT_SHAPE_FREE,  MT_RETURNS)   \
    HOOK(_ZdlPvm,                              MT_SHAPE_FREE,  MT_RETURNS)   \
    HOOK(_ZdaPvm,                              MT_SHAPE_FREE,  MT_RETURNS)   \
    HOOK(_ZdlPvSt11align_val_t,                MT_SHAPE_FREE,  MT_RETURNS)   \
    HOOK(_ZdaPvSt11align_val_t,                MT_SHAPE_FREE,  MT_RETURNS)   \
    HOOK(_ZdlPvmSt11align_val_t,               MT_SHAPE_FREE,  MT_RETURNS)   \
    HOOK(_ZdaPvmSt11align_val_t,               MT_SHAPE_FREE,  MT_RETURNS)   \
    HOOK(_ZdlPvRKSt9nothrow_t,                 MT_SHAPE_FREE,  MT_RETURNS)   \
    HOOK(_ZdaPvRKSt9nothrow_t,                 MT_SHAPE_FREE,  MT_RETURNS)   \
    HOOK(_ZdlPvSt11align_val_tRKSt9nothrow_t,  MT_SHAPE_FREE,  MT_RETURNS)   \
    HOOK(_ZdaPvSt11align_val_tRKSt9nothrow_t,  MT_SHAPE_FREE,  MT_RETURNS)

/* Where exceptions come from. Probed where something that may throw is: the call in progress, if any, may be left by this one. */
#define MT_EXCEPTION_HOOK "__cxa_allocate_exception"

/* Functions that only pass a request on to malloc: the line that matters is their caller's. Those of them that are not hooked, or only call
 * a hooked function, are not probed: they are known by where malloc returns to in them. */
#define MT_WRAPPERS(WRAPPER)                                     \
    WRAPPER("_Znwm")                /* operator new(size) */      \
    WRAPPER("_Znam")                /* operator new[](size) */    \
    WRAPPER("_ZnwmRKSt9nothrow_t")                                \
    WRAPPER("_ZnamRKSt9nothrow_t")                                \
    WRAPPER("_ZnwmSt11align_val_t")                               \
    WRAPPER("_ZnamSt11align_val_t")                               \
    WRAPPER("_ZnwmSt11align_val_tRKSt9nothrow_t")                 \
    WRAPPER("_ZnamSt11align_val_tRKSt9nothrow_t")                 \
    WRAPPER("strdup")                                             \
    WRAPPER("strndup")                                            \
    WRAPPER("wcsdup")                                             \
    WRAPPER("mi_new_aligned")                                     \
    WRAPPER("mi_new_aligned_nothrow")                             \
    /* CPython's, where the compiler did not make them a jump */  \
    WRAPPER("PyMem_RawMalloc")                                    \
    WRAPPER("PyMem_RawCalloc")                                    \
    WRAPPER("PyMem_RawRealloc")                                   \
    WRAPPER("PyMem_Malloc")                                       \
    WRAPPER("PyMem_Calloc")                                       \
    WRAPPER("PyMem_Realloc")                                      \
    WRAPPER("PyObject_Malloc")                                    \
    WRAPPER("PyObject_Calloc")                                    \
    WRAPPER("PyObject_Realloc")

/* The four functions of one CPython allocator table (PyMemAllocatorEx), in the table's order; the first argument is ctx. */
#define MT_PYTHON_FUNCTIONS(FUNCTION)      \
    FUNCTION(malloc,  MT_SHAPE_ALLOC)       \
    FUNCTION(calloc,  MT_SHAPE_ALLOC_ARRAY) \
    FUNCTION(realloc, MT_SHAPE_REALLOC)     \
    FUNCTION(free,    MT_SHAPE_FREE)

#endif
