/* Four threads that allocate and free until stdin ends. */
#include <pthread.h>

#include "ledger.h"

enum { THREADS = 4, LIVE = 1000 };

static void *work(void *unused)
{
    void *blocks[LIVE] = {0};
    (void)unused;
    for (unsigned long made = 0;; ++made) {
        free(blocks[made % LIVE]);
        blocks[made % LIVE] = made % 2 ? malloc(16 + made % 300) : calloc(2, 8 + made % 100);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    char byte;
    for (int i = 0; i < THREADS; ++i)
        ledger_require(pthread_create(&threads[i], NULL, work, NULL) == 0, "threads can be made");
    ledger_print("ready\n");
    while (read(0, &byte, 1) == 1)
        ;
    return 0;
}
