/* The aligned family: the size asked for counts, not what alignment or whole pages add. */
#include "ledger.h"

#include <errno.h>
#include <malloc.h>

enum { ROUNDS = 200, KINDS = 5 };
static struct block blocks[ROUNDS][KINDS];

int main(void)
{
    volatile size_t no_power_of_two = 24;
    volatile size_t impossible = (size_t)1 << 62;
    void *out;
    ledger_ready();
    for (size_t i = 0; i < ROUNDS; ++i) {
        struct block *at = blocks[i];
        at[0] = ALLOCATED(posix_memalign(&out, 64, 100 + i) == 0 ? out : NULL, 100 + i);
        at[1] = ALLOCATED(aligned_alloc(256, 512 + i * 256), 512 + i * 256);
        at[2] = ALLOCATED(memalign(1024, 33 + i), 33 + i);
        at[3] = ALLOCATED(valloc(200 + i), 200 + i);
        at[4] = ALLOCATED(pvalloc(300 + i), 300 + i);
        ledger_require(posix_memalign(&out, no_power_of_two, 64) == EINVAL, "a bad alignment is refused");
        ledger_require(posix_memalign(&out, 64, impossible) == ENOMEM, "a huge posix_memalign fails");
        ledger_require(memalign(64, impossible) == NULL, "a huge memalign fails");
        for (size_t kind = 0; kind < KINDS; ++kind)
            ledger_require(at[kind].address != NULL, "the aligned family allocates");
    }
    for (size_t i = 0; i < ROUNDS; ++i)
        ledger_free(&blocks[i][i % KINDS]);
    ledger_done(__FILE__);
    return 0;
}
