// Commands to a running trace, and what they answered.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "support/files.hpp"
#include "support/process.hpp"
#include "support/tracer.hpp"

namespace memtrace::test {

/// Runs `memtrace-bpf ARGUMENTS -p PID`, requires exit status 0, and returns what it printed.
std::string command(const Child& target, Arguments arguments);
/// The same of a command that must fail orderly; returns what it said on stderr.
std::string failing_command(const Child& target, Arguments arguments, int status = 1);
/// The same with --json.
nlohmann::json json_command(const Child& target, Arguments arguments);
/// `snapshot -o FILE`, read back.
Snapshot snapshot_of(const Child& target, Arguments arguments = {});

std::string socket_of(const Child& target);
std::string log_of(const Child& target);

/// A trace in the background; stopped at the end where that was not done.
class Background {
public:
    explicit Background(const Child& target, const Arguments& options = {});
    ~Background();
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;
    /// Requires that it ends well.
    void stop();

private:
    const Child& target_;
    bool stopped_ = false;
};

}  // namespace memtrace::test
