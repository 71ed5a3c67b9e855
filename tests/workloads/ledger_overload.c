/* Many more live blocks than a small live table holds; then a part of them freed, seen ones and unseen ones alike. */
#include "ledger.h"

enum { BLOCKS = 60000 };
static struct block blocks[BLOCKS];

int main(void)
{
    ledger_ready();
    for (size_t i = 0; i < BLOCKS; i += 2) {
        blocks[i] = ALLOCATED(malloc(80), 80);
        blocks[i + 1] = ALLOCATED(calloc(4, 30), 120);
    }
    for (size_t i = 0; i < BLOCKS; i += 3)
        ledger_free(&blocks[i]);
    ledger_done(__FILE__);
    return 0;
}
