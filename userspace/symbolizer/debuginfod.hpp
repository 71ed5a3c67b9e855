// Debug files from the servers in $DEBUGINFOD_URLS, fetched by a process of its own: neither the tracer nor its target ever waits for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "util/result.hpp"
#include "util/unique_fd.hpp"

namespace memtrace {

/// Move-only. Its process runs libdebuginfod.so.1, loaded when it starts, with the rights of the user who typed sudo; it ends with this object or
/// with us. What it hands over is not believed here: its build-id must be compared.
class Debuginfod {
public:
    /// Before there are other threads. Errors: no servers are named, or the library is not installed.
    static Result<Debuginfod> start();
    Debuginfod(Debuginfod&& other) noexcept = default;
    Debuginfod& operator=(Debuginfod&&) = delete;
    ~Debuginfod();

    /// The debug file of a build-id, marked (O_PATH); none: it is under way (asked for now, where it was not), or not to be had.
    UniqueFd find(std::span<const std::byte> build_id);
    /// Takes in what has come; true when there was a file. Never waits.
    bool take();
    /// To be polled while is_waiting().
    [[nodiscard]] int poll_fd() const { return socket_.get(); }
    [[nodiscard]] bool is_waiting() const;
    /// What could not be had, in a sentence.
    [[nodiscard]] std::vector<std::string> notes() const;

private:
    using BuildId = std::vector<std::byte>;
    enum class State : std::uint8_t { asked, missing, failed, here };
    struct Answer {
        State state = State::asked;
        int error = 0;
        UniqueFd file;
    };
    Debuginfod(UniqueFd process, UniqueFd socket) : process_(std::move(process)), socket_(std::move(socket)) {}
    void gone();

    UniqueFd process_;  ///< A pidfd.
    UniqueFd socket_;
    std::map<BuildId, Answer> answers_;
    bool gone_ = false;
};

}  // namespace memtrace
