/* A library to be preloaded: malloc with a header around whoever comes next, and bookkeeping of its own. */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { HEADER = 16, EARLY = 65536 };
static void *(*next_malloc)(size_t);
static void (*next_free)(void *);
/* dlsym may ask for memory before we know whom to ask. */
static char early[EARLY];
static size_t early_used;

static void find_next(void)
{
    static int finding;

    if (next_free != NULL || finding)
        return;
    finding = 1;
    next_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    next_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
}

static void *aligned(size_t alignment, size_t size)
{
    uintptr_t base, block;

    find_next();
    if (size > PTRDIFF_MAX - alignment - HEADER) {
        errno = ENOMEM;
        return NULL;
    }
    size += HEADER + alignment;
    if (next_free == NULL) {
        base = (uintptr_t)early + early_used;
        early_used += size;
        if (early_used > EARLY)
            return NULL;
    } else {
        base = (uintptr_t)next_malloc(size);
    }
    if (base == 0)
        return NULL;
    block = (base + HEADER + alignment - 1) & ~(alignment - 1);
    ((uintptr_t *)block)[-1] = base;
    ((size_t *)block)[-2] = size - HEADER - alignment;
    return (void *)block;
}

void *malloc(size_t size)
{
    return aligned(16, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return aligned(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    *block = aligned(alignment, size);
    return *block == NULL ? ENOMEM : 0;
}

void free(void *block)
{
    char *base;

    if (block == NULL)
        return;
    base = ((char **)block)[-1];
    if (base < early || base >= early + EARLY)
        next_free(base);
}

void *calloc(size_t count, size_t size)
{
    void *block;

    if (size != 0 && count > SIZE_MAX / size) {
        errno = ENOMEM;
        return NULL;
    }
    block = malloc(count * size);
    return block == NULL ? NULL : memset(block, 0, count * size);
}

void *realloc(void *old, size_t size)
{
    void *block;
    size_t had;

    if (old == NULL)
        return malloc(size);
    had = ((size_t *)old)[-2];
    block = malloc(size);
    if (block == NULL)
        return NULL;
    memcpy(block, old, had < size ? had : size);
    free(old);
    return block;
}
