/* realloc growing, shrinking, failing, from NULL and to 0: a success frees the old block and allocates at its own line. */
#include "ledger.h"

enum { BLOCKS = 1200 };
static struct block blocks[BLOCKS];

/* Takes over the books of a block that realloc replaced. */
static void replaced(struct block *old, struct block grown)
{
    ledger_require(grown.address != NULL, "realloc succeeds");
    ledger_gone(old);
    *old = grown;
}

int main(void)
{
    volatile size_t impossible = (size_t)1 << 62;
    ledger_ready();
    for (size_t i = 0; i < BLOCKS; ++i)
        blocks[i] = ALLOCATED(malloc(32 + i), 32 + i);
    for (size_t i = 0; i < BLOCKS; i += 2)
        replaced(&blocks[i], ALLOCATED(realloc(blocks[i].address, 5000 + i), 5000 + i));
    for (size_t i = 0; i < BLOCKS; i += 4)
        replaced(&blocks[i], ALLOCATED(realloc(blocks[i].address, 16), 16));
    /* Large enough for a mapping of its own: growing it moves the mapping. */
    replaced(&blocks[1], ALLOCATED(realloc(blocks[1].address, 300000), 300000));
    replaced(&blocks[1], ALLOCATED(realloc(blocks[1].address, 900000), 900000));
    for (size_t i = 0; i < BLOCKS; i += 5)
        ledger_require(ALLOCATED(realloc(blocks[i].address, impossible), 0).address == NULL, "a huge realloc fails");
    for (size_t i = 3; i < BLOCKS; i += 10) {
        ledger_require(realloc(blocks[i].address, 0) == NULL, "realloc to 0 frees");
        ledger_gone(&blocks[i]);
        blocks[i] = ALLOCATED(realloc(NULL, 77), 77);
    }
    for (size_t i = 0; i < BLOCKS; i += 7)
        ledger_free(&blocks[i]);
    ledger_done(__FILE__);
    return 0;
}
