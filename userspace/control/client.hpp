// The other end: asks a running tracer.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "control/json.hpp"
#include "control/request.hpp"
#include "util/unique_fd.hpp"

namespace memtrace::control {

/// Move-only. One connection.
class Client {
public:
    /// To the tracer of process `pid`, or to the one at `elsewhere` where that is not empty.
    /// Errors: nobody traces it; no permission.
    static Result<Client> connect(int pid, const std::filesystem::path& elsewhere);

    struct Reply {
        Json json;
        std::string bytes;
    };
    /// Sends and waits for the answer. Errors: a refusal, told as the tracer told it; the tracer has ended.
    Result<Reply> ask(const Request& request);
    /// Until the tracer closes the connection, which it does last of all. False: it did not within `limit`.
    bool wait_for_end(std::chrono::milliseconds limit);

private:
    explicit Client(UniqueFd fd) : fd_(std::move(fd)) {}
    Result<bool> read_more();

    UniqueFd fd_;
    std::string in_;
};

}  // namespace memtrace::control
