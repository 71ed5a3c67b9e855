/* reallocarray: the C library turns it into realloc, yet it is one call at one line; an overflowing product changes nothing. */
#include "ledger.h"

enum { BLOCKS = 600 };
static struct block blocks[BLOCKS];

int main(void)
{
    volatile size_t too_many = (size_t)1 << 62;
    ledger_ready();
    for (size_t i = 0; i < BLOCKS; ++i)
        blocks[i] = ALLOCATED(reallocarray(NULL, 3 + i % 5, 40), (3 + i % 5) * 40);
    for (size_t i = 0; i < BLOCKS; i += 2) {
        struct block grown = ALLOCATED(reallocarray(blocks[i].address, 30, 100), 3000);
        ledger_gone(&blocks[i]);
        blocks[i] = grown;
    }
    for (size_t i = 0; i < BLOCKS; i += 3)
        ledger_require(ALLOCATED(reallocarray(blocks[i].address, too_many, 16), 0).address == NULL, "an overflow fails");
    for (size_t i = 0; i < BLOCKS; i += 4) {
        ledger_require(reallocarray(blocks[i].address, 0, 16) == NULL, "reallocarray to 0 frees");
        ledger_gone(&blocks[i]);
    }
    ledger_done(__FILE__);
    return 0;
}
