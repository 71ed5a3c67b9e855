// One function a command; each returns the exit status or why it failed.
#pragma once

#include "options.hpp"
#include "util/result.hpp"

namespace memtrace::cli {

Result<int> trace(const TraceOptions& options);
Result<int> start(const StartOptions& options);
Result<int> ask(const ControlOptions& options);
Result<int> stats(const StatsOptions& options);
Result<int> diff(const DiffOptions& options);
Result<int> probes(const ProbesOptions& options);
Result<int> doctor(const DoctorOptions& options);
Result<int> export_to(const ExportOptions& options);
Result<int> leaks(const LeaksOptions& options);
Result<int> top(const TopCommandOptions& options);
Result<int> import_from(const ImportOptions& options);

}  // namespace memtrace::cli
