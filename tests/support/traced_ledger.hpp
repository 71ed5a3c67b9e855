// A workload that was traced: its own books and the snapshot of them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "model/snapshot.hpp"
#include "support/ledger.hpp"
#include "support/tracer.hpp"

namespace memtrace::test {

struct Traced {
    Ledger ledger;
    Snapshot snapshot;
};
using Environment = std::vector<std::pair<std::string, std::string>>;

/// Attaches to a workload that waits, lets it run, and stops the tracer while every block is as the ledger says.
Traced trace_attached(const std::string& workload, const Arguments& options = {}, const Environment& environment = {});
/// From its first instruction on.
Traced trace_from_start(const std::string& workload, const Arguments& options = {}, const Environment& environment = {});

/// Line by line, and nothing was lost.
void require_equal_lines(const Traced& traced);
/// And nothing was freed that was never seen, but what the ledger says.
void require_equal(const Traced& traced);
/// Both ways, a section each.
void require_exact(const std::string& workload, const Arguments& options = {}, const Environment& environment = {});

}  // namespace memtrace::test
