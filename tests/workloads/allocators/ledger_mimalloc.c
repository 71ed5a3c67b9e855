/* mimalloc's own functions, its heaps' among them. (mi_strdup has malloc inlined, and a size that only it knows: not seen.) */
#include <mimalloc.h>

#include "../ledger.h"

enum { BLOCKS = 60 };

int main(void)
{
    static struct block blocks[20 * BLOCKS];
    struct block *at = blocks;
    mi_heap_t *heap;

    ledger_ready();
    heap = mi_heap_new();
    for (int i = 0; i < BLOCKS; ++i) {
        *at++ = ALLOCATED(mi_malloc(100), 100);
        *at++ = ALLOCATED(mi_malloc_small(60), 60);
        *at++ = ALLOCATED(mi_zalloc(3000), 3000);
        *at++ = ALLOCATED(mi_calloc(3, 70), 210);
        *at++ = ALLOCATED(mi_mallocn(4, 80), 320);
        *at++ = ALLOCATED(mi_malloc_aligned(500, 128), 500);
        *at++ = ALLOCATED(mi_zalloc_aligned(400, 64), 400);
        *at++ = ALLOCATED(mi_new(48), 48);
        *at++ = ALLOCATED(mi_new_aligned(480, 64), 480);
        *at++ = ALLOCATED(mi_new_nothrow(56), 56);
        *at++ = ALLOCATED(mi_heap_malloc(heap, 90), 90);
        *at++ = ALLOCATED(mi_heap_calloc(heap, 5, 30), 150);
        *at++ = ALLOCATED(mi_heap_malloc_aligned(heap, 700, 256), 700);
        struct block moved = ALLOCATED(mi_malloc(40), 40);
        *at++ = ALLOCATED(mi_realloc(moved.address, 6000), 6000);
        ledger_gone(&moved);
        moved = ALLOCATED(mi_heap_malloc(heap, 44), 44);
        *at++ = ALLOCATED(mi_heap_recalloc(heap, moved.address, 9, 100), 900);
        ledger_gone(&moved);
    }
    for (int i = 0; i < 15 * BLOCKS; i += 5) {
        if (i % 2 == 0)
            mi_free(blocks[i].address);
        else
            mi_free_size(blocks[i].address, blocks[i].size_bytes);
        ledger_gone(&blocks[i]);
    }
    ledger_done(__FILE__);
}
