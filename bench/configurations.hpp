// The ways a target is traced while it is timed; each attaches when made and undoes everything when destroyed.
#pragma once

#include <memory>
#include <string>

#include "loader/calibrate.hpp"
#include "util/result.hpp"

namespace memtrace::bench {

class Configuration {
public:
    virtual ~Configuration() = default;
};
using Attached = Result<std::unique_ptr<Configuration>>;

/// Empty programs at the very places the tracer probes, attached in the same way, tables redirected alike: the least that any
/// tracer at these places costs.
Attached attach_floor(int pid, const Calibration& calibration);
/// The tracer itself.
Attached attach_tracer(int pid, const Calibration& calibration, unsigned frames);
/// memleak's design: memleak.bpf.c at the symbols malloc and free, attached as perf events.
Attached attach_memleak(int pid, const Calibration& calibration);

}  // namespace memtrace::bench
