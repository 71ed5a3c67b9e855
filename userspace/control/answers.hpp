// What is told of a trace, as JSON.
#pragma once

#include <sys/types.h>

#include <optional>

#include "control/checkpoints.hpp"
#include "control/json.hpp"
#include "model/snapshot.hpp"
#include "reader/collector.hpp"

namespace memtrace::control {

/// The members of `status` that a snapshot tells.
Json status_of(const Snapshot& snapshot);

/// An element of `checkpoints`: of all processes, or of those of user `only`; nothing where he had none.
std::optional<Json> checkpoint_of(const Checkpoint& checkpoint, std::optional<uid_t> only);

/// The answer to `where`.
Json block_of(const BlockInfo& block);

}  // namespace memtrace::control
