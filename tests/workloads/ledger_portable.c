/* What every C library and allocator does alike: the whole family, growing, shrinking, failing. */
#include <stdint.h>

#include "ledger.h"

enum { BLOCKS = 150, KINDS = 6 };

static volatile size_t too_much = SIZE_MAX / 2;

static struct block aligned(size_t size)
{
    void *at = NULL;
    struct block block = ALLOCATED(posix_memalign(&at, 64, size) == 0 ? at : NULL, size);
    return block;
}

int main(void)
{
    static struct block blocks[KINDS * BLOCKS];
    void *at;

    ledger_ready();
    for (int i = 0; i < BLOCKS; ++i) {
        struct block *b = &blocks[KINDS * i], moved;
        b[0] = ALLOCATED(malloc(100 + i), 100 + i);
        b[1] = ALLOCATED(calloc(7, 30), 210);
        moved = ALLOCATED(malloc(60), 60);
        b[2] = ALLOCATED(realloc(moved.address, 9000), 9000);
        ledger_gone(&moved);
        moved = ALLOCATED(realloc(NULL, 5000), 5000);
        b[3] = ALLOCATED(realloc(moved.address, 20), 20);
        ledger_gone(&moved);
        b[4] = aligned(700);
        b[5] = ALLOCATED(aligned_alloc(128, 256), 256);
        ledger_require(realloc(b[0].address, too_much) == NULL, "realloc to too much fails");
        ledger_require(malloc(too_much) == NULL, "malloc of too much fails");
        ledger_require(posix_memalign(&at, 64, too_much) != 0, "posix_memalign of too much fails");
    }
    for (int i = 0; i < KINDS * BLOCKS; i += 5)
        ledger_free(&blocks[i]);
    free(NULL);
    ledger_done(__FILE__);
}
