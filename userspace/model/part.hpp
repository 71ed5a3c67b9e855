// The part of a snapshot that concerns some of its processes: what a user sees whose processes are not all that are traced.
#pragma once

#include <vector>

#include "model/snapshot.hpp"

namespace memtrace {

/// Only the processes for which `keep` (one element each; missing ones count as false) holds, their sites and marks, and the names that
/// occur in these. Probes, notes, user data and the checkpoint's values tell of the others and are left out with them; losses and
/// costs are those of the whole trace. The whole snapshot where all are kept.
Snapshot part_of(const Snapshot& snapshot, const std::vector<bool>& keep);

}  // namespace memtrace
