/* A workload's own books: what each of its source lines allocated and freed, kept without allocating anything.
 * Protocol: print "ready", wait for a line, run the measured phase, print the ledger and "done", wait for a line, end.
 * With MEMTRACE_WORKLOAD_NOWAIT in the environment it does not wait. An end of stdin ends the program: no orphans. */
#ifndef MEMTRACE_TEST_LEDGER_H
#define MEMTRACE_TEST_LEDGER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LEDGER_LINES 512 /* above the last line of any workload */

struct ledger_line {
    unsigned long allocated_blocks, allocated_bytes, freed_blocks, freed_bytes;
};
static struct ledger_line ledger[LEDGER_LINES];
static unsigned long ledger_untracked_frees;

/* One block the workload owns; an address of NULL owns nothing. */
struct block {
    void *address;
    size_t size_bytes;
    unsigned line;
};

/* Books the result of `call`, an allocation of `size_bytes`, to the line this stands on: keep it on one line, because that is
 * where debug information puts the call. A failed call is not booked. */
#define ALLOCATED(call, size_bytes) ledger_allocated((call), (size_bytes), __LINE__)

/* Atomic: the books of a line are shared by the threads that run it. */
static inline struct block ledger_allocated(void *address, size_t size_bytes, unsigned line)
{
    struct block block = {NULL, 0, 0};
    if (address == NULL || address == MAP_FAILED)
        return block;
    __atomic_fetch_add(&ledger[line].allocated_blocks, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&ledger[line].allocated_bytes, size_bytes, __ATOMIC_RELAXED);
    block.address = address;
    block.size_bytes = size_bytes;
    block.line = line;
    return block;
}

/* Books the end of a block; the caller has freed it or had it moved. */
static inline void ledger_gone(struct block *block)
{
    __atomic_fetch_add(&ledger[block->line].freed_blocks, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&ledger[block->line].freed_bytes, block->size_bytes, __ATOMIC_RELAXED);
    block->address = NULL;
}

static inline void ledger_free(struct block *block)
{
    free(block->address);
    ledger_gone(block);
}

/* What a workload relies on, checked: a wrong ledger must not look like a wrong tracer. */
static inline void ledger_require(int holds, const char *what)
{
    if (holds)
        return;
    const char prefix[] = "workload: not so: ";
    (void)!write(2, prefix, sizeof prefix - 1);
    (void)!write(2, what, strlen(what));
    (void)!write(2, "\n", 1);
    _exit(3);
}

/* write() and a stack buffer instead of stdio, whose buffers come from malloc. */
static inline void ledger_print(const char *text)
{
    ledger_require(write(1, text, strlen(text)) == (ssize_t)strlen(text), "stdout takes the text");
}

static inline void ledger_wait(void)
{
    char byte = 0;
    if (getenv("MEMTRACE_WORKLOAD_NOWAIT") != NULL)
        return;
    while (byte != '\n')
        if (read(0, &byte, 1) != 1)
            _exit(3);
}

static inline void ledger_ready(void)
{
    ledger_print("ready\n");
    ledger_wait();
}

static inline void ledger_done(const char *file)
{
    char text[256];
    for (unsigned line = 0; line < LEDGER_LINES; ++line) {
        const struct ledger_line *at = &ledger[line];
        if (at->allocated_blocks == 0)
            continue;
        snprintf(text, sizeof text, "LINE %s:%u %lu %lu %lu %lu\n", file, line, at->allocated_blocks - at->freed_blocks,
                 at->allocated_bytes - at->freed_bytes, at->allocated_blocks, at->allocated_bytes);
        ledger_print(text);
    }
    if (ledger_untracked_frees > 0) {
        snprintf(text, sizeof text, "UNTRACKED %lu\n", ledger_untracked_frees);
        ledger_print(text);
    }
    ledger_print("done\n");
    ledger_wait();
}

/* In a forked child: its books begin with what it has inherited. */
static inline void ledger_forked(void)
{
    for (unsigned line = 0; line < LEDGER_LINES; ++line) {
        ledger[line].allocated_blocks -= ledger[line].freed_blocks;
        ledger[line].allocated_bytes -= ledger[line].freed_bytes;
        ledger[line].freed_blocks = ledger[line].freed_bytes = 0;
    }
}

/* The books of one of several processes; each line is one write, so that theirs do not mix. */
static inline void ledger_report(const char *file)
{
    char text[256];
    for (unsigned line = 0; line < LEDGER_LINES; ++line) {
        const struct ledger_line *at = &ledger[line];
        if (at->allocated_blocks == 0)
            continue;
        snprintf(text, sizeof text, "PROCESS %d %s:%u %lu %lu %lu %lu\n", (int)getpid(), file, line, at->allocated_blocks - at->freed_blocks,
                 at->allocated_bytes - at->freed_bytes, at->allocated_blocks, at->allocated_bytes);
        ledger_print(text);
    }
}

#endif
