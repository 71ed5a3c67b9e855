/* An allocator of the program's own under names of its own, beside the C library's. Its mapping is no block of the program. */
#include "ledger.h"

enum { BLOCKS = 200, ROOM = 1 << 20 };
static char *room, *next;

__attribute__((noinline)) void *shop_malloc(size_t size)
{
    char *at;

    if (room == NULL)
        room = next = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size = (size + 31) & ~(size_t)15;
    if (next + size > room + ROOM)
        return NULL;
    at = next;
    next += size;
    *(size_t *)at = size;
    return at + 16;
}

__attribute__((noinline)) void *shop_calloc(size_t count, size_t size)
{
    return shop_malloc(count * size);
}

__attribute__((noinline)) void shop_free(void *block)
{
    if (block != NULL)
        ((size_t *)block)[-2] |= 1;
}

int main(void)
{
    static struct block blocks[3 * BLOCKS];

    ledger_ready();
    for (int i = 0; i < BLOCKS; ++i) {
        blocks[3 * i] = ALLOCATED(shop_malloc(100 + i), 100 + i);
        blocks[3 * i + 1] = ALLOCATED(shop_calloc(3, 50), 150);
        blocks[3 * i + 2] = ALLOCATED(malloc(64), 64);
    }
    for (int i = 0; i < BLOCKS; i += 3) {
        shop_free(blocks[3 * i].address);
        shop_free(blocks[3 * i + 1].address);
        ledger_gone(&blocks[3 * i]);
        ledger_gone(&blocks[3 * i + 1]);
        ledger_free(&blocks[3 * i + 2]);
    }
    shop_free(NULL);
    ledger_done(__FILE__);
}
