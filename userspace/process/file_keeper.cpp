#include "process/file_keeper.hpp"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace memtrace {

Result<FileKeeper> FileKeeper::start() {
    const pid_t parent = getpid();
    // A copy of us but for the files, which are the same.
    int process = -1;
    const long pid = syscall(SYS_clone, CLONE_FILES | CLONE_PIDFD | SIGCHLD, nullptr, &process, nullptr, nullptr);
    if (pid < 0) return errno_error("starting a process that shares our files", errno);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        // A terminal's Ctrl-C is for us.
        for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP}) std::signal(signal, SIG_IGN);
        while (getppid() == parent) pause();
        _exit(0);
    }
    return FileKeeper(UniqueFd(process));
}

FileKeeper::~FileKeeper() {
    if (!process_) return;
    syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
    siginfo_t info{};
    waitid(P_PIDFD, static_cast<id_t>(process_.get()), &info, WEXITED);
}

}  // namespace memtrace
