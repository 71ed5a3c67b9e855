// What waitpid(2) says of a tracee, in words.
#pragma once

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <csignal>

namespace memtrace {

/// The PTRACE_EVENT_* of a stop; 0: none.
inline int event_of(int status) { return status >> 16; }

/// Stopped by a terminal or SIGSTOP, not by us: it stays stopped until somebody continues it.
inline bool is_group_stop(int status) { return event_of(status) == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP; }

/// The signal a stop holds back; 0: it is no signal's stop.
inline int signal_of(int status) { return event_of(status) ? 0 : WSTOPSIG(status); }

inline void* signal_argument(int signal) { return reinterpret_cast<void*>(static_cast<long>(signal)); }

/// How a program ended.
struct Ending {
    bool by_signal = false;
    int value = 0;  ///< Exit status or signal number.
    /// What a shell would report: the exit status, or 128 + signal.
    [[nodiscard]] int shell_status() const { return by_signal ? 128 + value : value; }
};

inline Ending ending_of(int status) { return {WIFSIGNALED(status), WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)}; }

}  // namespace memtrace
