// What the kernel and the user must bring, asked one by one: used before tracing and shown by `memtrace-bpf doctor`.
#pragma once

#include <string>
#include <vector>

#include "util/result.hpp"

namespace memtrace {

enum class Verdict : unsigned char { good, limited, missing };

struct Requirement {
    std::string name;  ///< "kernel types (BTF)"
    Verdict verdict = Verdict::good;
    std::string found;   ///< What is there.
    std::string effect;  ///< What does not work because of it and what to do; empty when good.
};

/// Cheap ones only (no probe is attached): permissions, BTF, program and map types, memory.
std::vector<Requirement> check_requirements();

/// The first missing requirement as an Error.
Result<void> require_all();

}  // namespace memtrace
