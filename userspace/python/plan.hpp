// Adds CPython to a plan: a probe for each function its allocator tables point to, and, where the compiler has inlined copies
// of these functions behind a comparison of the pointer, a redirect that makes every caller take the call.
#pragma once

#include <cstdint>
#include <vector>

#include "probes/plan.hpp"
#include "process/target.hpp"

namespace memtrace {

struct PythonOptions {
    bool redirect = true;               ///< --no-redirect: only observe; the plan's notes say what stays unseen.
    std::vector<std::uint64_t> ours{};  ///< Slots that we have redirected ourselves.
};

/// Adds every CPython of the process. What cannot be traced is said in plan.notes; native tracing is not affected.
void plan_python(const Target& target, const std::vector<Module>& modules, const ProbeCosts& costs, const PythonOptions& options, Plan& plan);

}  // namespace memtrace
