// Survives a file that shrinks while it is mapped.
#pragma once

#include <csignal>

namespace memtrace {

/// While one exists, a page of a mapping that its file no longer reaches reads as zeros for this thread instead of ending
/// the tracer with SIGBUS: the target may truncate its own files at any time, and libelf reads them through mappings.
/// Any other SIGBUS ends the process as it would without a handler. May be nested; on one thread at a time.
class BusGuard {
public:
    BusGuard();
    ~BusGuard();
    BusGuard(const BusGuard&) = delete;
    BusGuard& operator=(const BusGuard&) = delete;

private:
    struct sigaction previous_;
};

}  // namespace memtrace
