/* vfork and posix_spawn lend the parent's memory to a child that becomes another program: the parent's blocks stay its own. */
#include <spawn.h>
#include <sys/wait.h>

#include "ledger.h"

enum { CHILDREN = 10, BLOCKS = 50 };
static struct block blocks[CHILDREN][BLOCKS];

static void await(pid_t child)
{
    int status = 0;
    ledger_require(waitpid(child, &status, 0) == child && status == 0, "the child becomes /bin/true");
}

int main(void)
{
    char *const arguments[] = {"true", NULL};
    ledger_ready();
    for (int round = 0; round < CHILDREN; ++round) {
        pid_t child = vfork();
        if (child == 0) {
            execv("/bin/true", arguments);
            _exit(4);
        }
        await(child);
        for (size_t i = 0; i < BLOCKS; ++i)
            blocks[round][i] = ALLOCATED(malloc(64 + i), 64 + i);
        ledger_require(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, NULL) == 0, "posix_spawn works");
        await(child);
        for (size_t i = 0; i < BLOCKS; i += 5)
            ledger_free(&blocks[round][i]);
    }
    ledger_done(__FILE__);
    return 0;
}
