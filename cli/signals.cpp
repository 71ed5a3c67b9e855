#include "signals.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace memtrace::cli {

Result<Signals> Signals::block() {
    Signals signals;
    sigemptyset(&signals.set_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) sigaddset(&signals.set_, signal);
    sigprocmask(SIG_BLOCK, &signals.set_, nullptr);
    signals.fd_ = UniqueFd(signalfd(-1, &signals.set_, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals.fd_) return errno_error("waiting for signals", errno);
    return signals;
}

void Signals::add(std::initializer_list<int> signals) {
    for (const int signal : signals) sigaddset(&set_, signal);
    sigprocmask(SIG_BLOCK, &set_, nullptr);
    signalfd(fd_.get(), &set_, 0);
}

std::optional<int> Signals::next() {
    signalfd_siginfo info{};
    if (read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return std::nullopt;
    return static_cast<int>(info.ssi_signo);
}

}  // namespace memtrace::cli
