// The kernel's notice of code that processes map: libraries that are loaded while they run, programs at an exec.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "util/result.hpp"

namespace memtrace {

/// Code of a file that a process has mapped (mmap or mprotect with PROT_EXEC), [start, end).
struct CodeMapping {
    int pid = 0;  ///< In our pid namespace.
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    std::uint64_t file_offset = 0;
    std::uint64_t device = 0;  ///< makedev(major, minor); with the inode what /proc/PID/maps has.
    std::uint64_t inode = 0;
    std::string path;                                 ///< As the process sees it; bytes of its choosing.
    std::chrono::steady_clock::time_point time = {};  ///< When it was mapped.
};

/// What was mapped since the last look, in the order of time on each CPU.
struct NewCode {
    std::vector<CodeMapping> mappings;
    bool lost = false;  ///< Some are missing: whoever must know all reads /proc/PID/maps.
};

/// Serves one process, a few, or the whole machine: the kernel tells of all, the taker says whose it wants. One event per CPU, whatever
/// the number of processes and threads; nothing is done in the target or for it. Memory without a file (JITs) is left out, and
/// unmapping is not told of. CPUs that are switched on later are not watched. Move-only.
class CodeNotice {
public:
    /// Errors: not permitted (CAP_PERFMON or CAP_SYS_ADMIN), or a kernel without perf events.
    static Result<CodeNotice> open();
    CodeNotice(CodeNotice&&) noexcept;
    CodeNotice& operator=(CodeNotice&&) noexcept;
    ~CodeNotice();

    /// Becomes readable (poll) when code was mapped by anybody. -1 for 10 ms after a take(), so that a machine that executes programs all
    /// the time does not keep its poller busy: who polls also takes now and then.
    [[nodiscard]] int poll_fd() const;
    /// Never waits. Mappings of processes that are not `wanted` are passed over.
    NewCode take(const std::function<bool(int pid)>& wanted);

private:
    struct State;
    explicit CodeNotice(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// One record of the kernel's (perf_event_open(2), PERF_RECORD_MMAP2), taken apart; its last eight bytes are the time. False: it is
/// another one, or of memory without a file.
bool parse_code_record(std::span<const std::byte> record, CodeMapping& mapping);

}  // namespace memtrace
