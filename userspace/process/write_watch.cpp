#include "process/write_watch.hpp"

#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <string>

namespace memtrace {

#if defined(__x86_64__)

namespace {

// Intel SDM volume 3, 18.2.4: DR7 enables breakpoint 0 for this task (bit 0), on writes (bits 16-17 = 01), 8 bytes long (bits 18-19 = 10).
constexpr unsigned long on_write_of_8_bytes = 1UL | 1UL << 16 | 2UL << 18;
constexpr int control = 7;

bool set_register(int tid, int number, unsigned long value) {
    const std::size_t offset = offsetof(user, u_debugreg) + static_cast<std::size_t>(number) * sizeof(long);
    return ptrace(PTRACE_POKEUSER, tid, offset, value) == 0;
}

}  // namespace

Result<void> watch_writes(int tid, std::uint64_t address) {
    // Switched off first: the kernel checks address and length together.
    if (set_register(tid, control, 0) && set_register(tid, 0, address) && (address == 0 || set_register(tid, control, on_write_of_8_bytes)))
        return {};
    return errno_error("setting a debug register of thread " + std::to_string(tid), errno);
}

bool is_watched_write(int tid, int status) {
    siginfo_t info{};
    if (!WIFSTOPPED(status) || status >> 16 != 0 || WSTOPSIG(status) != SIGTRAP) return false;
    return ptrace(PTRACE_GETSIGINFO, tid, nullptr, &info) == 0 && info.si_code == TRAP_HWBKPT;
}

#else
#error "write_watch: this architecture's debug registers are reached differently (PTRACE_SETREGSET, NT_ARM_HW_WATCH)"
#endif

}  // namespace memtrace
