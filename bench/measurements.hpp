// One function a group of claims; each appends its figures or says why it could not measure.
#pragma once

#include <vector>

#include "figures.hpp"
#include "loader/calibrate.hpp"
#include "util/result.hpp"

namespace memtrace::bench {

/// malloc + free: the tracer, its floor and memleak's design in turn, several rounds, the best of each.
Result<void> measure_pairs(const Calibration& calibration, std::vector<Figure>& figures);
/// Two threads at a time against one: what they cost each other in our tables.
Result<void> measure_contention(const Calibration& calibration, std::vector<Figure>& figures);
/// Object churn in /usr/bin/python3.11, with one frame and with many, and in tracemalloc.
Result<void> measure_python(const Calibration& calibration, std::vector<Figure>& figures);
/// Code objects and stacks that are new: how soon they have names, and whether many of them are too many.
Result<void> measure_first_sight(const Calibration& calibration, std::vector<Figure>& figures);
/// Attaching to a running interpreter: how long it takes, and how long the interpreter is held.
Result<void> measure_attach(const Calibration& calibration, std::vector<Figure>& figures);
/// Many sites and blocks: memory per block, reading counters, writing a snapshot.
Result<void> measure_tables(const Calibration& calibration, std::vector<Figure>& figures);
/// The pause of a checkpoint.
Result<void> measure_checkpoints(const Calibration& calibration, std::vector<Figure>& figures);
/// Snapshots of a million stacks: reading, ordering, comparing; and how large files are.
Result<void> measure_snapshots(std::vector<Figure>& figures);
/// Names of native frames in a big program with debug information, first and again.
Result<void> measure_symbols(std::vector<Figure>& figures);
/// A refresh of the full-screen display with many rows.
Result<void> measure_screen(std::vector<Figure>& figures);
/// The program itself beside a busy target, one refresh a second.
Result<void> measure_tracer(std::vector<Figure>& figures);

}  // namespace memtrace::bench
