// The process under trace: its memory, and the claim that one tracer at a time works on it.
#pragma once

#include <cstdint>
#include <span>

#include "util/result.hpp"
#include "util/unique_fd.hpp"

namespace memtrace {

/// Move-only. Holds /proc/PID/mem (which stays bound to this very program, also when the pid is used again) and a pidfd.
class Target {
public:
    /// Errors: no such process; no permission; a kernel thread; ourselves; another tracer already works on it.
    static Result<Target> open(int pid);

    /// After exec: the memory of the new program.
    Result<void> reopen();
    /// Lets go of its memory; only pid() and alive() are of use then.
    void close() { memory_.reset(); }

    [[nodiscard]] int pid() const { return pid_; }
    /// Becomes readable (poll) when the process has ended.
    [[nodiscard]] int pidfd() const { return pidfd_.get(); }
    [[nodiscard]] bool alive() const;

    /// Reads exactly bytes.size() bytes at `address`.
    Result<void> read(std::uint64_t address, std::span<std::byte> bytes) const;
    template <typename T>
    Result<T> read(std::uint64_t address) const {
        T value{};
        if (Result<void> done = read(address, std::as_writable_bytes(std::span(&value, 1))); !done) return std::move(done).error();
        return value;
    }
    /// Error when the program that `mapped` was read from is gone: the process has ended or executed another one.
    Result<void> check_image(std::uint64_t mapped) const;
    /// Stores one pointer. The caller has stopped the threads (StoppedThreads) or accepts that one may read it meanwhile.
    Result<void> write_pointer(std::uint64_t address, std::uint64_t value) const;

private:
    Result<void> open_memory();

    int pid_ = 0;
    UniqueFd memory_;
    UniqueFd pidfd_;
};

}  // namespace memtrace
