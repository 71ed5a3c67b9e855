/* Many live blocks from many stacks: 2^14 distinct ones, 15 calls deep. Each input line "BLOCKS" allocates that many and keeps
 * them; "0" churns for a second instead. Prints how many blocks are live. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { DEPTH = 14 };

static void *allocate(unsigned path, int depth, size_t size);

__attribute__((noinline)) static void *left(unsigned path, int depth, size_t size)
{
    void *volatile block = allocate(path >> 1, depth - 1, size);

    return block;
}

__attribute__((noinline)) static void *right(unsigned path, int depth, size_t size)
{
    void *volatile block = allocate(path >> 1, depth - 1, size);

    return block;
}

__attribute__((noinline)) static void *allocate(unsigned path, int depth, size_t size)
{
    /* volatile: keeps the frame, no tail call */
    void *volatile block = depth == 0 ? malloc(size) : path & 1 ? right(path, depth, size) : left(path, depth, size);

    return block;
}

int main(void)
{
    unsigned long count, live = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    while (scanf("%lu", &count) == 1) {
        time_t end = time(NULL) + 1;

        for (unsigned long i = 0; i < count; i++, live++)
            allocate(live, DEPTH, 16 + live % 200);
        while (count == 0 && time(NULL) <= end)
            for (unsigned i = 0; i < 2000; i++)
                free(allocate(i, DEPTH, 64));
        printf("%lu\n", live);
    }
    return 0;
}
