// What the stress tests share: their workloads (tests/workloads/python/stress_*.py), interpreters, and ledgers by line and domain.
#pragma once

#include <string>
#include <vector>

#include "support/ledger.hpp"
#include "support/process.hpp"
#include "support/python.hpp"

namespace memtrace::test {

/// Whether $MEMTRACE_LONG asks for the long form of a test.
bool long_run();

/// The shared builds of ~/.pyenv that we know the layout of, oldest first; perhaps none.
std::vector<Interpreter> pyenv_pythons();

/// Runs a stress workload up to "ready".
Child start_stress(const Interpreter& interpreter, std::vector<std::string> arguments, const SpawnOptions& options = {});

/// A snapshot's totals by "FILE:LINE@DOMAIN", for the places in `wanted`.
Lines domain_lines(const Snapshot& snapshot, const Lines& wanted);

}  // namespace memtrace::test
