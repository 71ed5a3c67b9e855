/* A million live blocks of mixed sizes from several lines, with a tenth of them replaced on the way. */
#include "ledger.h"

enum { BLOCKS = 1000000 };
static struct block blocks[BLOCKS];

static struct block make(size_t i)
{
    const size_t size = 1 + i * 2654435761u % 251;
    switch (i % 4) {
    case 0: return ALLOCATED(malloc(size), size);
    case 1: return ALLOCATED(calloc(1, size), size);
    case 2: return ALLOCATED(malloc(size + 8), size + 8);
    default: return ALLOCATED(realloc(NULL, size), size);
    }
}

int main(void)
{
    ledger_ready();
    for (size_t i = 0; i < BLOCKS; ++i)
        blocks[i] = make(i);
    for (size_t i = 0; i < BLOCKS; i += 10) {
        ledger_free(&blocks[i]);
        blocks[i] = ALLOCATED(malloc(24), 24);
    }
    ledger_done(__FILE__);
    return 0;
}
