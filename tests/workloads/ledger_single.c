/* One thread: malloc, calloc, free, free(NULL), malloc(0), and a calloc whose product overflows. */
#include "ledger.h"

enum { BLOCKS = 3000 };
static struct block plain[BLOCKS], zeroed[BLOCKS], empty[BLOCKS];

int main(void)
{
    volatile size_t too_many = (size_t)1 << 62;
    ledger_ready();
    for (size_t i = 0; i < BLOCKS; ++i) {
        plain[i] = ALLOCATED(malloc(1 + i % 700), 1 + i % 700);
        zeroed[i] = ALLOCATED(calloc(1 + i % 9, 24), (1 + i % 9) * 24);
        empty[i] = ALLOCATED(malloc(0), 0);
        free(NULL);
    }
    ledger_require(ALLOCATED(calloc(too_many, 8), 0).address == NULL, "an overflowing calloc fails");
    for (size_t i = 0; i < BLOCKS; i += 3) {
        ledger_free(&plain[i]);
        ledger_free(&empty[i]);
    }
    for (size_t i = 0; i < BLOCKS; i += 2)
        ledger_free(&zeroed[i]);
    /* Addresses are used again, by blocks of another line. */
    for (size_t i = 0; i < BLOCKS; i += 3)
        plain[i] = ALLOCATED(malloc(48), 48);
    ledger_done(__FILE__);
    return 0;
}
