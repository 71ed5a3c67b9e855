/* Processes that fork and execute, each with its own books. argv[1]: what they do. */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "ledger.h"

enum { BLOCKS = 600, WORKERS = 4, SHORT_LIVED = 50, THREADS = 3 };
static struct block inherited[BLOCKS], own[BLOCKS];
static char *program;

static void await(pid_t child)
{
    int status = 0;
    ledger_require(child > 0 && waitpid(child, &status, 0) == child && status == 0, "the child ends well");
}

static void allocate(size_t size_bytes)
{
    for (size_t i = 0; i < BLOCKS; ++i)
        inherited[i] = ALLOCATED(malloc(size_bytes + i), size_bytes + i);
}

/* The child frees half of what its parent allocated and allocates itself; the parent does the same with other halves meanwhile. */
static void half_and_half(size_t first, size_t size_bytes)
{
    for (size_t i = first; i < BLOCKS; i += 2)
        ledger_free(&inherited[i]);
    for (size_t i = 0; i < BLOCKS / 3; ++i)
        own[i] = ALLOCATED(calloc(1, size_bytes), size_bytes);
    for (size_t i = 0; i < BLOCKS / 3; i += 5) {
        void *moved = realloc(own[i].address, size_bytes * 3);
        ledger_gone(&own[i]);
        own[i] = ledger_allocated(moved, size_bytes * 3, __LINE__ - 2);
    }
}

static void fork_once(void)
{
    allocate(100);
    const pid_t child = fork();
    if (child == 0) {
        ledger_forked();
        half_and_half(0, 70);
        ledger_report(__FILE__);
        _exit(0);
    }
    half_and_half(1, 90);
    await(child);
}

static void fork_in_fork(void)
{
    allocate(120);
    const pid_t child = fork();
    if (child == 0) {
        ledger_forked();
        half_and_half(0, 50);
        const pid_t grandchild = fork();
        if (grandchild == 0) {
            ledger_forked();
            for (size_t i = 1; i < BLOCKS; i += 4)
                ledger_free(&inherited[i]);
            for (size_t i = 0; i < BLOCKS / 3; ++i)
                ledger_free(&own[i]);
            ledger_report(__FILE__);
            _exit(0);
        }
        await(grandchild);
        ledger_report(__FILE__);
        _exit(0);
    }
    await(child);
}

static void leaf(void)
{
    for (size_t i = 0; i < 40; ++i)
        own[i] = ALLOCATED(malloc(333), 333);
    for (size_t i = 0; i < 40; i += 3)
        ledger_free(&own[i]);
}

static void execute(char *what)
{
    char *const arguments[] = {program, what, NULL};
    execv(program, arguments);
    _exit(4);
}

/* What vfork and posix_spawn run has the parent's memory until it executes. */
static void vfork_and_spawn(void)
{
    char *const arguments[] = {program, "leaf", NULL};
    extern char **environ;
    pid_t child = 0;
    allocate(80);
    child = vfork();
    if (child == 0) {
        execv(program, arguments);
        _exit(4);
    }
    await(child);
    ledger_require(posix_spawn(&child, program, NULL, NULL, arguments, environ) == 0, "posix_spawn works");
    await(child);
    half_and_half(0, 60);
}

static void fork_and_execute(void)
{
    allocate(110);
    const pid_t child = fork();
    if (child == 0) {
        half_and_half(0, 40);
        execute("leaf");
    }
    await(child);
    half_and_half(1, 60);
}

static void short_lived(void)
{
    allocate(60);
    for (int i = 0; i < SHORT_LIVED; ++i) {
        const pid_t child = fork();
        if (child == 0) {
            ledger_forked();
            half_and_half((size_t)i % 2, 30 + (size_t)i);
            ledger_report(__FILE__);
            _exit(0);
        }
        await(child);
    }
}

static volatile int churning = 1;

static void *churn(void *unused)
{
    void *blocks[64] = {0};
    (void)unused;
    for (unsigned i = 0; churning; i = (i + 1) % 64) {
        free(blocks[i]);
        blocks[i] = malloc(2000 + i);
    }
    for (unsigned i = 0; i < 64; ++i)
        free(blocks[i]);
    return NULL;
}

/* Other threads go on allocating; only the forking one is in the child. */
static void threads(void)
{
    pthread_t others[THREADS];
    allocate(130);
    for (int i = 0; i < THREADS; ++i)
        ledger_require(pthread_create(&others[i], NULL, churn, NULL) == 0, "threads start");
    for (int i = 0; i < 10; ++i) {
        const pid_t child = fork();
        if (child == 0) {
            ledger_forked();
            half_and_half(0, 20);
            ledger_report(__FILE__);
            _exit(0);
        }
        await(child);
    }
    churning = 0;
    for (int i = 0; i < THREADS; ++i)
        pthread_join(others[i], NULL);
}

/* A server and its workers, until stdin says what next: "kill" replaces one worker, anything else ends it. */
static pid_t start_worker(size_t number)
{
    char text[64];
    const pid_t child = fork();
    if (child != 0)
        return child;
    ledger_forked();
    half_and_half(0, 200 + number);
    ledger_report(__FILE__);
    snprintf(text, sizeof text, "worker %d\n", (int)getpid());
    ledger_print(text);
    for (;;)
        pause();
}

static void prefork(void)
{
    pid_t workers[WORKERS];
    char line[16];
    allocate(140);
    for (size_t i = 0; i < WORKERS; ++i)
        workers[i] = start_worker(i);
    while (fgets(line, sizeof line, stdin) && strcmp(line, "kill\n") == 0) {
        kill(workers[1], SIGKILL);
        waitpid(workers[1], NULL, 0);
        workers[1] = start_worker(9);
    }
    for (size_t i = 0; i < WORKERS; ++i)
        kill(workers[i], SIGKILL);
    for (size_t i = 0; i < WORKERS; ++i)
        waitpid(workers[i], NULL, 0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } modes[] = {{"fork", fork_once}, {"fork_in_fork", fork_in_fork}, {"leaf", leaf}, {"vfork", vfork_and_spawn},
                 {"execute", fork_and_execute}, {"short", short_lived}, {"threads", threads}, {"prefork", prefork}};
    static char buffer[4096];
    setvbuf(stdin, buffer, _IOFBF, sizeof buffer);
    program = argv[0];
    if (argc > 1 && strncmp(argv[1], "chain", 5) == 0) {
        allocate(50);
        if (argv[1][5] == '0')
            execute("leaf");
        argv[1][5]--;
        execute(argv[1]);
    }
    for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof *modes; ++i) {
        if (strcmp(modes[i].name, argv[1]) != 0)
            continue;
        if (strcmp(argv[1], "leaf") != 0)
            ledger_ready();
        modes[i].run();
        ledger_report(__FILE__);
        if (strcmp(argv[1], "leaf") != 0)
            ledger_done(__FILE__);
        return 0;
    }
    return 2;
}
