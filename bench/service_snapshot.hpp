// What a snapshot of a service in production looks like, made up: many stacks that share their outer frames.
#pragma once

#include <cstdint>

#include "model/snapshot.hpp"

namespace memtrace::bench {

/// `traces` distinct stacks of `depth` frames, walked through a call tree that begins alike for all: a function calls a dozen others,
/// few of them often (Zipf). The same `seed` gives the same stacks; `moment` changes what they hold.
Snapshot service_snapshot(std::size_t traces, std::size_t depth, unsigned seed, unsigned moment = 0);

}  // namespace memtrace::bench
