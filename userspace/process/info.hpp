// What /proc says of one process: who it is, what it uses, who watches it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "util/result.hpp"

namespace memtrace {

/// One process at the moment of reading. The texts are the target's own and may hold any byte: escape before printing.
struct ProcessInfo {
    int pid = 0;
    std::string command_line;            ///< Arguments joined by spaces, at most 4096 bytes; "[comm]" when there are none.
    std::string comm;                    ///< Name of the main thread, at most 15 bytes (kernel threads: 63).
    std::uint64_t start_time_ticks = 0;  ///< Since boot, in units of sysconf(_SC_CLK_TCK). Together with pid it names a process for good.
    std::uint64_t rss_bytes = 0;
    std::uint64_t vms_bytes = 0;
    uid_t uid = 0;  ///< The real one.
    bool kernel_thread = false;
    int namespace_pid = 0;  ///< Its pid in its own pid namespace; `pid` itself where that is ours.
    int tracer_pid = 0;     ///< 0: nobody ptraces it.
    char state = '?';       ///< The kernel's letter: R, S, D, T, t, Z, X, I …
    int threads = 0;
    bool operator==(const ProcessInfo&) const = default;
};

/// Reads everything through one handle: a result never mixes two processes that had the same number.
Result<ProcessInfo> read_process(int pid);

/// The value of auxiliary vector entry `type` (AT_ENTRY, AT_PHDR …) of a 64-bit process. Needs the right to ptrace it.
Result<std::uint64_t> read_auxv(int pid, std::uint64_t type);

}  // namespace memtrace
