// Signals that would end us while probes are in place, turned into something to wait for.
#pragma once

#include <optional>

#include "util/result.hpp"
#include "util/unique_fd.hpp"

namespace memtrace::cli {

/// Blocks SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGCHLD for the rest of the program's life.
class Signals {
public:
    static Result<Signals> block();
    /// Readable when one has come.
    [[nodiscard]] int fd() const { return fd_.get(); }
    /// The next one that has come, if any.
    std::optional<int> next();

private:
    UniqueFd fd_;
};

}  // namespace memtrace::cli
