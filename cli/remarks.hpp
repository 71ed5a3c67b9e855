// What qualifies the rows of a report goes to stderr, so that they stay what scripts expect.
#pragma once

#include <span>
#include <string>

#include "model/view.hpp"

namespace memtrace::cli {

void remark_on_losses(const std::string& name, const Snapshot& snapshot);
/// Which filters match no block of any snapshot.
void remark_on_filters(const View& view, std::span<const Snapshot> snapshots);
/// Once, where not all are of one process.
void remark_on_programs(std::span<const Snapshot> snapshots, std::span<const std::string> names);

}  // namespace memtrace::cli
