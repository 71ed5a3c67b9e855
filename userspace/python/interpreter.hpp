// The CPythons that a process runs: which version, where its runtime lies, how it keeps its running threads.
#pragma once

#include <cstdint>
#include <vector>

#include "probes/modules.hpp"
#include "process/target.hpp"
#include "python/offsets.hpp"
#include "python/tables.hpp"
#include "util/result.hpp"

namespace memtrace {

struct Interpreter {
    PythonVersion version;
    const Module* module = nullptr;        ///< Where _PyRuntime lives.
    mt_python python{};                    ///< Complete but for .contexts.
    std::vector<AllocatorTable> tables;    ///< raw, mem, obj, as far as found.
    std::vector<AllocatorTable> defaults;  ///< CPython's own allocators, whose functions ignore ctx; empty if not found.
};

/// The modules that are a CPython (they define _PyRuntime).
std::vector<const Module*> python_modules(const std::vector<Module>& modules);

/// What is to be known of one of them. Errors name the version where it is known: not supported, free-threaded, not as expected.
Result<Interpreter> examine_interpreter(const Target& target, const std::vector<Module>& modules, const Module& python);

}  // namespace memtrace
