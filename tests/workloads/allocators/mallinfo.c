/* A library to be preloaded: on a signal the C library's own statistics are appended to the file $MEMTRACE_MALLINFO. */
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[256];

static void tell(int number)
{
    struct mallinfo2 info = mallinfo2();
    char text[64];
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int length = snprintf(text, sizeof text, "%zu\n", info.uordblks + info.hblkhd);

    (void)number;
    if (fd < 0)
        return;
    (void)!write(fd, text, length);
    close(fd);
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_handler = tell, .sa_flags = SA_RESTART};
    const char *wanted = getenv("MEMTRACE_MALLINFO");

    if (wanted == NULL)
        return;
    snprintf(path, sizeof path, "%s", wanted);
    sigaction(SIGRTMIN + 5, &action, NULL);
}
