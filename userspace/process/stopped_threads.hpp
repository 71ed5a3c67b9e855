// All threads of a process held still for a moment, so that several pointers change at once for all of them.
#pragma once

#include <chrono>
#include <vector>

#include "util/result.hpp"

namespace memtrace {

/// Stops on creation (ptrace, without signals), lets go on destruction; the kernel lets go too if we die meanwhile.
class StoppedThreads {
public:
    /// All but thread `except`, which the caller stops. Errors: another debugger is attached; a thread cannot be stopped within `limit` (it
    /// waits for a device). Then none is stopped.
    static Result<StoppedThreads> stop(int pid, std::chrono::milliseconds limit = std::chrono::milliseconds(200), int except = 0);
    StoppedThreads(StoppedThreads&& other) noexcept : tids_(std::move(other.tids_)) { other.tids_.clear(); }
    StoppedThreads& operator=(StoppedThreads&&) = delete;
    ~StoppedThreads();

private:
    StoppedThreads() = default;
    std::vector<int> tids_;
};

}  // namespace memtrace
