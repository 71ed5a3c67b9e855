// Limits that make a trace fail, for tests and continuous integration, and its summary as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "control/checkpoints.hpp"
#include "options.hpp"
#include "util/result.hpp"

namespace memtrace::cli {

/// Of one finished trace.
class ExitGates {
public:
    /// `last`: its state at the end.
    ExitGates(const TraceOptions& options, const Snapshot& last, const std::vector<control::Checkpoint>& checkpoints);

    /// Says which gates failed and writes the summary. `exit_status`: of the program that was traced.
    Result<void> report(int exit_status) const;
    /// 3 where a gate failed, unless the program's own is a failure already.
    [[nodiscard]] int exit_status(int of_program) const;

private:
    struct Gate {
        const char* name;
        const char* what;
        std::uint64_t limit;
        std::int64_t value;
        [[nodiscard]] bool failed() const { return value > 0 && static_cast<std::uint64_t>(value) > limit; }
    };
    [[nodiscard]] bool failed() const;

    const TraceOptions& options_;
    const Snapshot& last_;
    const std::vector<control::Checkpoint>& checkpoints_;
    std::vector<Gate> gates_;
};

}  // namespace memtrace::cli
