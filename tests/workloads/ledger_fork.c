/* A forked child allocates, frees, frees what it inherited and becomes another program: only the parent's blocks count. */
#include <sys/wait.h>

#include "ledger.h"

enum { BLOCKS = 800 };
static struct block blocks[BLOCKS];

static void run_child(void)
{
    static struct block own[BLOCKS];
    for (size_t i = 0; i < BLOCKS; ++i)
        own[i] = ALLOCATED(malloc(500 + i), 500 + i);
    for (size_t i = 0; i < BLOCKS; i += 2)
        ledger_free(&own[i]);
    for (size_t i = 0; i < BLOCKS; ++i)
        ledger_free(&blocks[i]);
    execl("/bin/true", "true", (char *)NULL);
    _exit(4);
}

int main(void)
{
    ledger_ready();
    for (size_t i = 0; i < BLOCKS; ++i)
        blocks[i] = ALLOCATED(malloc(90), 90);
    for (int children = 0; children < 3; ++children) {
        int status = 0;
        const pid_t child = fork();
        ledger_require(child >= 0, "fork works");
        if (child == 0)
            run_child();
        ledger_require(waitpid(child, &status, 0) == child && status == 0, "the child becomes /bin/true");
    }
    for (size_t i = 0; i < BLOCKS; i += 4) {
        ledger_free(&blocks[i]);
        blocks[i] = ALLOCATED(calloc(2, 70), 140);
    }
    ledger_done(__FILE__);
    return 0;
}
