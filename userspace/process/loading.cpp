#include "process/loading.hpp"

#include <elf.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "process/info.hpp"
#include "process/ptrace_stops.hpp"
#include "process/write_watch.hpp"

namespace memtrace {
namespace {

constexpr int system_call_stop = SIGTRAP | 0x80;
constexpr unsigned char breakpoint_byte = 0xcc;

// Continues with `request` (PTRACE_CONT, PTRACE_SYSCALL) until the next stop; its wait status, nothing when it ended.
std::optional<int> step(int pid, int request, int signal, std::optional<int>& ended) {
    ptrace(static_cast<__ptrace_request>(request), pid, nullptr, signal_argument(signal));
    int status = 0;
    pid_t got = 0;
    do got = waitpid(pid, &status, __WALL);
    while (got < 0 && errno == EINTR);
    if (got == pid && WIFSTOPPED(status)) return status;
    ended = status;
    return std::nullopt;
}

bool maps_code(int pid) {
    __ptrace_syscall_info info{};
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0) return false;
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return false;
    const bool protects = info.entry.nr == SYS_mmap || info.entry.nr == SYS_mprotect;
    return protects && info.entry.args[2] & PROT_EXEC;
}

// Whether it has just run into the breakpoint at `entry`; it then stands before that instruction again.
bool back_at(int pid, std::uint64_t entry) {
    user_regs_struct registers{};
    ptrace(PTRACE_GETREGS, pid, nullptr, &registers);
    if (registers.rip != entry + 1) return false;
    registers.rip = entry;
    ptrace(PTRACE_SETREGS, pid, nullptr, &registers);
    return true;
}

}  // namespace

// The loader maps libraries by system calls; after each that maps code everything stands still for `mapped`. A breakpoint at the
// entry point tells the end of it: there the original byte is put back.
Result<void> run_to_entry(int pid, long options, const std::function<Result<void>()>& mapped, std::optional<int>& ended) {
    if (Result<void> done = mapped(); !done) return done;
    const Result<std::uint64_t> found = read_auxv(pid, AT_ENTRY);
    if (!found) return Error(found.error()).in("finding the entry point");
    const std::uint64_t entry = *found;
    errno = 0;
    const long original = ptrace(PTRACE_PEEKTEXT, pid, entry, nullptr);
    if (errno != 0) return errno_error("reading the entry point", errno);
    ptrace(PTRACE_SETOPTIONS, pid, nullptr, reinterpret_cast<void*>(options | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
    const long broken = (original & ~0xffL) | breakpoint_byte;
    Result<void> outcome;
    if (ptrace(PTRACE_POKETEXT, pid, entry, broken) != 0) outcome = errno_error("marking the entry point", errno);
    bool mapping = false;
    int signal = 0;
    int request = PTRACE_SYSCALL;
    while (outcome) {
        const std::optional<int> status = step(pid, request, signal, ended);
        if (!status) return outcome;
        signal = 0;
        request = PTRACE_SYSCALL;
        if (WSTOPSIG(*status) == system_call_stop) {
            const bool done = std::exchange(mapping, maps_code(pid));
            if (done && !mapping) outcome = mapped();
        } else if (event_of(*status) == PTRACE_EVENT_EXEC) {
            ended = status;  // a library's doing: nothing of the program that was loaded is left
            ptrace(PTRACE_SETOPTIONS, pid, nullptr, reinterpret_cast<void*>(options));
            return outcome;
        } else if (event_of(*status)) {
            if (is_group_stop(*status)) request = PTRACE_LISTEN;
        } else if (WSTOPSIG(*status) == SIGTRAP && back_at(pid, entry)) {
            break;
        } else {
            signal = WSTOPSIG(*status);
        }
    }
    // A uprobe may have come to stand in the same word: only our byte is put back.
    errno = 0;
    const long now = ptrace(PTRACE_PEEKTEXT, pid, entry, nullptr);
    ptrace(PTRACE_POKETEXT, pid, entry, (now & ~0xffL) | (original & 0xff));
    ptrace(PTRACE_SETOPTIONS, pid, nullptr, reinterpret_cast<void*>(options));
    return outcome ? mapped() : outcome;
}

namespace {

using Clock = std::chrono::steady_clock;

// An interpreter sets up its allocators within milliseconds of its start, in one or two goes.
constexpr auto setup_limit = std::chrono::milliseconds(300);
constexpr auto setup_quiet = std::chrono::milliseconds(40);
constexpr auto interrupt_limit = std::chrono::seconds(10);
constexpr int copy_instructions = 24;
constexpr auto setup_step = std::chrono::microseconds(200);

bool is_trap(const std::optional<int>& stop) { return stop && WIFSTOPPED(*stop) && event_of(*stop) == 0 && WSTOPSIG(*stop) == SIGTRAP; }

std::optional<int> wait_until(int pid, Clock::time_point deadline) {
    int status = 0;
    for (;;) {
        const pid_t got = waitpid(pid, &status, __WALL | WNOHANG);
        if (got == pid) return status;
        if (Clock::now() > deadline) return std::nullopt;
        std::this_thread::sleep_for(setup_step);
    }
}

}  // namespace

void run_through_setup(int pid, long options, std::uint64_t word, const std::function<void()>& stored, std::optional<int>& stop) {
    ptrace(PTRACE_SETOPTIONS, pid, nullptr, reinterpret_cast<void*>(options | PTRACE_O_EXITKILL));
    const Clock::time_point limit = Clock::now() + setup_limit;
    Clock::time_point deadline = limit;
    if (watch_writes(pid, word)) {
        ptrace(PTRACE_CONT, pid, nullptr, nullptr);
        while ((stop = wait_until(pid, deadline)) && is_watched_write(pid, *stop)) {
            // The word is part of a structure that is being copied, in whatever order the compiler liked.
            for (int i = 0; i < copy_instructions; ++i) {
                ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr);
                stop = wait_until(pid, limit);
                if (!is_trap(stop)) break;
            }
            if (!is_trap(stop)) break;
            stored();
            deadline = std::min(limit, Clock::now() + setup_quiet);
            ptrace(PTRACE_CONT, pid, nullptr, nullptr);
        }
        // Who waits in the kernel (vfork, a slow file) stops later; a debug register that stays is met by whoever handles its stop.
        if (!stop && ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr) == 0) stop = wait_until(pid, Clock::now() + interrupt_limit);
        if (stop && WIFSTOPPED(*stop)) (void)watch_writes(pid, 0);
        if (stop && event_of(*stop) == PTRACE_EVENT_STOP && !is_group_stop(*stop)) stop.reset();
    }
    ptrace(PTRACE_SETOPTIONS, pid, nullptr, reinterpret_cast<void*>(options));
}

}  // namespace memtrace
