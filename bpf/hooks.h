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

/* Functions that only pass a request on to malloc: the line that matters is their caller's. Not probed (a return probe on
 * operator new would break the unwinding of bad_alloc): known by where malloc returns to in them. */
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
