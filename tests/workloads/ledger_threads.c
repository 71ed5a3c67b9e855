/* Eight threads in a circle: each allocates, hands the block to its neighbour, and frees what it was handed, so every block is
 * freed by another thread than its maker. The last blocks of each stay live, which makes every line's count the same each run. */
#include <pthread.h>

#include "ledger.h"

/* In flight over the whole circle are at most as many blocks as threads (each sends one, then takes one): an inbox never overflows. */
enum { THREADS = 8, ROUNDS = 6000, KEPT = 300, INBOX = THREADS };

struct inbox {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct block blocks[INBOX];
    unsigned taken, put;
};
static struct inbox inboxes[THREADS];

static void send_block(struct inbox *inbox, struct block block)
{
    pthread_mutex_lock(&inbox->lock);
    inbox->blocks[inbox->put++ % INBOX] = block;
    pthread_cond_signal(&inbox->filled);
    pthread_mutex_unlock(&inbox->lock);
}

static struct block take_block(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    while (inbox->taken == inbox->put)
        pthread_cond_wait(&inbox->filled, &inbox->lock);
    struct block block = inbox->blocks[inbox->taken++ % INBOX];
    pthread_mutex_unlock(&inbox->lock);
    return block;
}

static struct block make(unsigned round)
{
    if (round % 3 == 0)
        return ALLOCATED(malloc(40), 40);
    if (round % 3 == 1)
        return ALLOCATED(calloc(5, 60), 300);
    return ALLOCATED(malloc(2048), 2048);
}

static void *run(void *argument)
{
    const size_t self = (size_t)argument;
    for (unsigned round = 0; round < ROUNDS; ++round) {
        send_block(&inboxes[(self + 1) % THREADS], make(round));
        struct block block = take_block(&inboxes[self]);
        if (round < ROUNDS - KEPT)
            ledger_free(&block);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; ++i) {
        pthread_mutex_init(&inboxes[i].lock, NULL);
        pthread_cond_init(&inboxes[i].filled, NULL);
    }
    ledger_ready();
    for (size_t i = 0; i < THREADS; ++i)
        ledger_require(pthread_create(&threads[i], NULL, run, (void *)i) == 0, "threads start");
    for (size_t i = 0; i < THREADS; ++i)
        pthread_join(threads[i], NULL);
    ledger_done(__FILE__);
    return 0;
}
