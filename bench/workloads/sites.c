/* Many live blocks from many stacks: 2^14 distinct ones, 15 calls deep, or as many as the argument says. Each input line "BLOCKS"
 * allocates that many and keeps them; "0" churns for a second instead. Prints how many blocks are live. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

int main(int argc, char **argv)
{
    unsigned long count, live = 0;
    unsigned stacks = argc > 1 ? (unsigned)atoi(argv[1]) : 1 << 14;
    int depth = 0;

    while (1U << depth < stacks)
        depth++;

    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    while (scanf("%lu", &count) == 1) {
        time_t end = time(NULL) + 1;

        for (unsigned long i = 0; i < count; i++, live++)
            allocate(live % stacks, depth, 16 + live % 200);
        while (count == 0 && time(NULL) <= end)
            for (unsigned i = 0; i < 2000; i++)
                free(allocate(i, depth, 64));
        printf("%lu\n", live);
    }
    return 0;
}
