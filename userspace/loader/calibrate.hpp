// What a probe costs on this machine, by the kind of instruction it displaces, and how probes can be attached at all:
// measured on functions of our own before the target is touched.
#pragma once

#include <memory>
#include <vector>

#include "loader/attach.hpp"
#include "probes/planner.hpp"
#include "util/result.hpp"

namespace memtrace {

struct Calibration {
    AttachMethod method = AttachMethod::perf_event;
    ProbeCosts costs;
    /// What it was measured with: probes on functions of ours that nobody calls any more. Removing them takes 50 ms each, so they are kept
    /// until there is time (Session::stop()).
    std::shared_ptr<std::vector<Links>> own_probes = std::make_shared<std::vector<Links>>();
};

/// Takes a few tens of milliseconds. Errors: no permission to load or attach BPF programs (says which capability is missing).
Result<Calibration> calibrate();

}  // namespace memtrace
