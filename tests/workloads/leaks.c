/* Blocks of known stacks, sizes and ages that are kept, and blocks that are soon freed; for `leaks`. After each phase a line is printed
 * and one waited for. Phases by the letters of the first argument; the ledger comes with the last one. */
#include <pthread.h>
#include <sys/wait.h>

#include "ledger.h"

enum { SMALL = 100, LARGE = 3, ZEROED = 10, ROUNDS = 300 };
static struct block small[SMALL], large[LARGE], zeroed[ZEROED];
static unsigned long temporary[LEDGER_LINES];

static __attribute__((noinline)) void leak_small(void)
{
    for (int i = 0; i < SMALL; ++i)
        small[i] = ALLOCATED(malloc(24), 24);
}

static __attribute__((noinline)) void leak_large(void)
{
    for (int i = 0; i < LARGE; ++i)
        large[i] = ALLOCATED(malloc(5000 << i), 5000 << i);
}

/* An allocator may call malloc inside calloc: one block, of calloc's size. */
static __attribute__((noinline)) void leak_zeroed(void)
{
    for (int i = 0; i < ZEROED; ++i)
        zeroed[i] = ALLOCATED(calloc(4, 8), 32);
}

static __attribute__((noinline)) void grow_in_vain(void)
{
    volatile size_t impossible = (size_t)1 << 62;
    for (int i = 0; i < SMALL; ++i)
        ledger_require(realloc(small[i].address, impossible) == NULL, "a huge realloc fails");
}

static void *free_all(void *blocks)
{
    for (int i = 0; i < ROUNDS; ++i)
        ledger_free(&((struct block *)blocks)[i]);
    return NULL;
}

static __attribute__((noinline)) void churn(void)
{
    static struct block given[ROUNDS];
    for (int i = 0; i < ROUNDS; ++i) {
        struct block alone = ALLOCATED(malloc(64), 64);
        temporary[alone.line]++;
        ledger_free(&alone);
        struct block first = ALLOCATED(malloc(80), 80);
        struct block second = ALLOCATED(malloc(96), 96);
        temporary[second.line]++;
        ledger_free(&first);
        ledger_free(&second);
        struct block grown = ALLOCATED(malloc(112), 112);
        struct block moved = ALLOCATED(realloc(grown.address, 4000), 4000);
        ledger_gone(&grown);
        temporary[moved.line]++;
        ledger_free(&moved);
    }
    for (int i = 0; i < ROUNDS; ++i)
        given[i] = ALLOCATED(malloc(48), 48);
    pthread_t other;
    ledger_require(pthread_create(&other, NULL, free_all, given) == 0, "a thread starts");
    pthread_join(other, NULL);
}

static __attribute__((noinline)) void map_much(void)
{
    for (int i = 0; i < 20; ++i) {
        void *map = mmap(NULL, 1UL << 36, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        ledger_require(ALLOCATED(map, 1UL << 36).address != NULL, "address space is there");
    }
}

/* The child has the same addresses, and frees what its parent keeps. It ends with our stdin. */
static __attribute__((noinline)) void fork_and_free(void)
{
    char byte;
    if (fork() != 0)
        return;
    for (int i = 0; i < SMALL / 2; ++i)
        free(small[i].address);
    ledger_print("forked\n");
    while (read(0, &byte, 1) == 1)
        ;
    _exit(0);
}

static __attribute__((noinline)) void run(char phase)
{
    switch (phase) {
    case 's': leak_small(); break;
    case 'l': leak_large(); break;
    case 'z': leak_zeroed(); break;
    case 'r': grow_in_vain(); break;
    case 't': churn(); break;
    case 'm': map_much(); break;
    case 'f': fork_and_free(); break;
    }
}

int main(int argc, char **argv)
{
    char text[128];
    const char *phases = argc > 1 ? argv[1] : "s";
    ledger_ready();
    for (; *phases; ++phases) {
        if (*phases != '.') {
            run(*phases);
            continue;
        }
        ledger_print("phase\n");
        ledger_wait();
    }
    for (unsigned line = 0; line < LEDGER_LINES; ++line) {
        if (temporary[line] == 0)
            continue;
        snprintf(text, sizeof text, "TEMPORARY leaks.c:%u %lu\n", line, temporary[line]);
        ledger_print(text);
    }
    ledger_done(__FILE__);
    return 0;
}
