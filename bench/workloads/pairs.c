/* One malloc(64) + free pair, timed from inside. Each input line "COUNT DEPTH" runs COUNT pairs below DEPTH nested calls and
 * prints the nanoseconds of one pair. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static double pairs(long count)
{
    double begin = now_ns();

    for (long i = 0; i < count; i++) {
        void *volatile block = malloc(64);

        free(block);
    }
    return (now_ns() - begin) / count;
}

__attribute__((noinline)) static double below(int depth, long count)
{
    /* volatile: keeps the frame, no tail call */
    volatile double result = depth > 0 ? below(depth - 1, count) : pairs(count);

    return result;
}

int main(void)
{
    long count;
    int depth;

    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    while (scanf("%ld %d", &count, &depth) == 2)
        printf("%.2f\n", below(depth, count));
    return 0;
}
