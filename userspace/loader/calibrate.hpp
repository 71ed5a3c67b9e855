// What a probe costs on this machine, by the kind of instruction it displaces, and how probes can be attached at all:
// measured on functions of our own before the target is touched.
#pragma once

#include "loader/attach.hpp"
#include "probes/planner.hpp"
#include "util/result.hpp"

namespace memtrace {

struct Calibration {
    AttachMethod method = AttachMethod::perf_event;
    ProbeCosts costs;
};

/// Takes a few tens of milliseconds. Errors: no permission to load or attach BPF programs (says which capability is missing).
Result<Calibration> calibrate();

}  // namespace memtrace
