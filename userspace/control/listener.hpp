// The socket a tracer listens on, and its names in the file system for as long as it does.
#pragma once

#include <filesystem>
#include <set>
#include <utility>
#include <vector>

#include "util/result.hpp"
#include "util/unique_fd.hpp"

namespace memtrace::control {

/// Move-only. Destruction removes the socket, its links, and the folder when it is empty then.
class Listener {
public:
    /// At /run/memtrace-bpf/PID.sock, or at `elsewhere` where that is not empty. Everybody may connect. What a dead tracer has left there is
    /// replaced. Errors: a living one listens there; something else has the name; the folder cannot be made.
    static Result<Listener> open(int pid, const std::filesystem::path& elsewhere);
    Listener(Listener&& other) noexcept
        : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})), in_folder_(other.in_folder_), links_(std::exchange(other.links_, {})) {}
    Listener& operator=(Listener&&) = delete;
    ~Listener();

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    /// Links PID.sock of exactly these other processes to it; no-op where the socket has a name of its own. One that another tracer's
    /// socket stands in the way of is left alone.
    void link(const std::vector<int>& pids);

private:
    Listener() = default;
    void unlink(int pid) const;

    UniqueFd fd_;
    std::filesystem::path path_;
    bool in_folder_ = false;
    std::set<int> links_;
};

}  // namespace memtrace::control
