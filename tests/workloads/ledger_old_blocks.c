/* Blocks older than the trace: freeing or reallocating them is an untracked free, a realloc that fails is none; what is allocated
 * since then is exact. */
#include "ledger.h"

enum { BLOCKS = 500, FREED = 300, MOVED = 50 };
static void *old[BLOCKS];
static struct block moved[MOVED], fresh[BLOCKS];

int main(void)
{
    for (size_t i = 0; i < BLOCKS; ++i)
        old[i] = malloc(100 + i);
    volatile size_t impossible = (size_t)1 << 62;
    ledger_ready();
    for (size_t i = 0; i < FREED; ++i) {
        free(old[i]);
        ++ledger_untracked_frees;
        fresh[i] = ALLOCATED(malloc(100 + i), 100 + i);
    }
    for (size_t i = 0; i < MOVED; ++i) {
        moved[i] = ALLOCATED(realloc(old[FREED + i], 4000), 4000);
        ++ledger_untracked_frees;
    }
    for (size_t i = FREED + MOVED; i < BLOCKS; i += 10)
        ledger_require(realloc(old[i], impossible) == NULL, "a huge realloc fails");
    for (size_t i = 0; i < FREED; i += 3)
        ledger_free(&fresh[i]);
    ledger_done(__FILE__);
    return 0;
}
