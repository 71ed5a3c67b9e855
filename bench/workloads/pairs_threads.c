/* malloc(64) + free pairs by threads at the same time, at the same line, timed from inside. Each input line "COUNT THREADS" lets each
 * of THREADS run COUNT pairs and prints the nanoseconds of one pair, as its thread sees it. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_THREADS = 64 };
static pthread_barrier_t begin;
static long count;

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void *pairs(void *result)
{
    double began;

    free(malloc(64)); /* the thread's own tables are there before time is taken */
    pthread_barrier_wait(&begin);
    began = now_ns();
    for (long i = 0; i < count; i++) {
        void *volatile block = malloc(64);

        free(block);
    }
    *(double *)result = (now_ns() - began) / count;
    return NULL;
}

int main(void)
{
    pthread_t threads[MOST_THREADS];
    double results[MOST_THREADS], sum;
    int n;

    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    while (scanf("%ld %d", &count, &n) == 2 && n >= 1 && n <= MOST_THREADS) {
        pthread_barrier_init(&begin, NULL, n);
        for (int i = 0; i < n; i++)
            pthread_create(&threads[i], NULL, pairs, &results[i]);
        sum = 0;
        for (int i = 0; i < n; i++) {
            pthread_join(threads[i], NULL);
            sum += results[i];
        }
        printf("%.2f\n", sum / n);
    }
    return 0;
}
