#include "process/target.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "process/info.hpp"

namespace memtrace {
namespace {

std::string named(int pid) { return "pid " + std::to_string(pid); }

Error cannot_open(int pid, const std::string& what, int code) {
    if (code == ESRCH || code == ENOENT) return Error{"no process with " + named(pid), "`ps -e` lists the processes"};
    if (code == EACCES || code == EPERM)
        return errno_error("opening " + what, code, "run as root, or with CAP_SYS_PTRACE and CAP_SYS_ADMIN (`memtrace-bpf doctor` tells)");
    return errno_error("opening " + what, code);
}

}  // namespace

Result<Target> Target::open(int pid) {
    if (pid == getpid()) return Error{"cannot trace ourselves (" + named(pid) + ")", "give the pid of another process"};
    Result<ProcessInfo> info = read_process(pid);
    if (!info) return std::move(info).error();
    if (info->kernel_thread)
        return Error{named(pid) + " (" + info->comm + ") is a kernel thread: it has no user memory", "give the pid of a program"};
    if (info->state == 'Z') return Error{named(pid) + " (" + info->comm + ") has already ended (zombie)"};

    Target target;
    target.pid_ = pid;
    target.pidfd_ = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!target.pidfd_) return cannot_open(pid, "a pidfd for " + named(pid), errno);
    if (Result<void> done = target.open_memory(); !done) return std::move(done).error();
    return target;
}

Result<void> Target::open_memory() {
    const std::string path = "/proc/" + std::to_string(pid_) + "/mem";
    UniqueFd memory(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!memory) return cannot_open(pid_, path, errno);
    // The lock ends with us, however we end, and only who may read the target's memory can take it.
    if (flock(memory.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return Error{"another memtrace-bpf already traces " + named(pid_), "stop it first: each would slow the process down by itself"};
        return errno_error("locking " + path, errno);
    }
    memory_ = std::move(memory);
    return {};
}

Result<void> Target::reopen() {
    memory_.reset();
    return open_memory();
}

bool Target::alive() const {
    pollfd poll_fd{pidfd_.get(), POLLIN, 0};
    return poll(&poll_fd, 1, 0) == 0;
}

Result<void> Target::read(std::uint64_t address, std::span<std::byte> bytes) const {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t n = pread(memory_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(address + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return errno_error("reading the memory of " + named(pid_) + " at " + std::to_string(address + done), n < 0 ? errno : EIO);
        done += static_cast<std::size_t>(n);
    }
    return {};
}

Result<void> Target::check_image(std::uint64_t mapped) const {
    if (read<std::byte>(mapped)) return {};
    if (!alive()) return Error{named(pid_) + " ended while probes were being placed"};
    return Error{named(pid_) + " executed another program while probes were being placed", "trace it again"};
}

Result<void> Target::write_pointer(std::uint64_t address, std::uint64_t value) const {
    if (pwrite(memory_.get(), &value, sizeof value, static_cast<off_t>(address)) != sizeof value)
        return errno_error("writing a pointer of " + named(pid_), errno);
    return {};
}

}  // namespace memtrace
