// A server of somebody else's, run by the tracer from its first instruction on, and asked through a Unix socket.
#pragma once

#include <sys/types.h>

#include <string>

#include "model/snapshot.hpp"
#include "support/files.hpp"
#include "support/process.hpp"
#include "support/tracer.hpp"

namespace memtrace::test {

/// Skips the rule where the program is not installed; returns its path.
std::string installed(const std::string& program);

/// Ended with its tracer, whatever happens to the test.
class Server {
public:
    /// `command` listens on `socket` in folder(). Returns when it does.
    Server(const TemporaryFolder& folder, const Arguments& command, const Arguments& options = {});
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// A new connection: sends `text`, reads until the answer holds `end`, or the server closes.
    [[nodiscard]] std::string ask(const std::string& text, const std::string& end) const;
    /// The state of the trace now.
    [[nodiscard]] Snapshot snapshot() const;
    /// What the C library itself counts as in use, told by the preloaded mallinfo.so.
    [[nodiscard]] std::uint64_t mallinfo() const;
    [[nodiscard]] pid_t pid() const { return pid_; }
    /// Asks it to end by SIGTERM, and waits until the tracer has ended with it.
    void end();

    static std::string socket_in(const TemporaryFolder& folder) { return folder.file("server.sock"); }
    /// The command with what mallinfo() needs.
    static Arguments with_mallinfo(const TemporaryFolder& folder, Arguments command);

private:
    const TemporaryFolder& folder_;
    Child tracer_;
    pid_t pid_ = -1;
};

/// Fails the test unless they differ by 1 % of `truth` at most, or nothing was seen.
void require_within_one_percent(std::uint64_t seen, std::uint64_t truth);

}  // namespace memtrace::test
