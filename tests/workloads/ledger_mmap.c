/* Anonymous mappings the program makes itself: unmapped whole and from the head, grown by mremap, and failing. */
#include "ledger.h"

enum { MAPPINGS = 40 };
#define PAGE ((size_t)4096)
#define MAP(bytes) mmap(NULL, (bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
static struct block maps[MAPPINGS];

static void unmap(struct block *block)
{
    ledger_require(munmap(block->address, block->size_bytes) == 0, "munmap works");
    ledger_gone(block);
}

/* The rest of the mapping stays the same block, smaller and further up. */
static void unmap_head(struct block *block, size_t bytes)
{
    ledger_require(munmap(block->address, bytes) == 0, "munmap of a part works");
    ledger[block->line].freed_bytes += bytes;
    block->address = (char *)block->address + bytes;
    block->size_bytes -= bytes;
}

int main(void)
{
    volatile size_t impossible = (size_t)1 << 60;
    volatile size_t nothing = 0;
    ledger_ready();
    for (size_t i = 0; i < MAPPINGS; ++i)
        maps[i] = ALLOCATED(MAP((8 + i) * PAGE), (8 + i) * PAGE);
    for (size_t i = 0; i < MAPPINGS; i += 4)
        unmap(&maps[i]);
    for (size_t i = 1; i < MAPPINGS; i += 4)
        unmap_head(&maps[i], 3 * PAGE);
    /* A shortened mapping is still known by its new start. */
    unmap(&maps[1]);
    unmap_head(&maps[5], PAGE);
    for (size_t i = 2; i < MAPPINGS; i += 4) {
        struct block grown = ALLOCATED(mremap(maps[i].address, maps[i].size_bytes, 900 * PAGE, MREMAP_MAYMOVE), 900 * PAGE);
        ledger_require(grown.address != NULL, "mremap grows");
        ledger_gone(&maps[i]);
        maps[i] = grown;
    }
    ledger_require(ALLOCATED(MAP(impossible), 0).address == NULL, "a huge mmap fails");
    ledger_require(ALLOCATED(MAP(nothing), 0).address == NULL, "an empty mmap fails");
    ledger_require(mremap(maps[3].address, maps[3].size_bytes, impossible, MREMAP_MAYMOVE) == MAP_FAILED, "a huge mremap fails");
    unmap(&maps[2]);
    ledger_done(__FILE__);
    return 0;
}
