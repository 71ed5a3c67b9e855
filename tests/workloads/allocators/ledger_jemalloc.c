/* jemalloc's own functions. xallocx changes a block where it stands, or leaves it. */
#include <jemalloc/jemalloc.h>

#include "../ledger.h"

enum { BLOCKS = 100 };

int main(void)
{
    static struct block blocks[6 * BLOCKS];
    struct block *at = blocks;

    ledger_ready();
    for (int i = 0; i < BLOCKS; ++i) {
        *at++ = ALLOCATED(mallocx(100, 0), 100);
        *at++ = ALLOCATED(mallocx(3000, MALLOCX_ALIGN(256) | MALLOCX_ZERO), 3000);
        struct block moved = ALLOCATED(mallocx(50, 0), 50);
        *at++ = ALLOCATED(rallocx(moved.address, 5000, 0), 5000);
        ledger_gone(&moved);
        struct block grown = ALLOCATED(mallocx(20000, 0), 20000);
        ledger_require(xallocx(grown.address, 40000000, 0, 0) < 40000000, "a block in the midst of others cannot grow");
        *at++ = ALLOCATED((xallocx(grown.address, 20100, 0, 0) >= 20100 ? grown.address : NULL), 20100);
        ledger_gone(&grown);
    }
    for (int i = 0; i < 4 * BLOCKS; i += 4) {
        sdallocx(blocks[i].address, 100, 0);
        ledger_gone(&blocks[i]);
        if (i % 8 == 0) {
            dallocx(blocks[i + 1].address, MALLOCX_ALIGN(256));
            ledger_gone(&blocks[i + 1]);
            ledger_free(&blocks[i + 3]);
        }
    }
    ledger_done(__FILE__);
}
