/* Preloaded: the wall clock of this program jumps 400 days forward and back, every 200 ms. Other clocks are as they are. */
#include <time.h>
#include <sys/syscall.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    struct timespec steady;
    long failed = syscall(SYS_clock_gettime, clock, now);

    if (failed || clock != CLOCK_REALTIME)
        return (int)failed;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &steady);
    if (steady.tv_nsec / 200000000 % 2)
        now->tv_sec += 400L * 86400;
    return 0;
}
