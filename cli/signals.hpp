// Signals that would end us while probes are in place, turned into something to wait for.
#pragma once

#include <csignal>
#include <initializer_list>
#include <optional>

#include "util/result.hpp"
#include "util/unique_fd.hpp"

namespace memtrace::cli {

/// Blocks SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGCHLD for the rest of the program's life.
class Signals {
public:
    static Result<Signals> block();
    /// Of these, too, from now on.
    void add(std::initializer_list<int> signals);
    /// Readable when one has come.
    [[nodiscard]] int fd() const { return fd_.get(); }
    /// The next one that has come, if any.
    std::optional<int> next();

private:
    sigset_t set_{};
    UniqueFd fd_;
};

}  // namespace memtrace::cli
