// What the commands say on standard error.
#pragma once

#include <cstdio>

#include "util/result.hpp"

namespace memtrace::cli {

inline void warn(const Error& error) { std::fprintf(stderr, "memtrace-bpf: %s\n", error.what.c_str()); }

}  // namespace memtrace::cli
