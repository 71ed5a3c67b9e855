// What the commands say on standard error.
#pragma once

#include <cstdio>

#include "format/text.hpp"
#include "util/result.hpp"

namespace memtrace::cli {

// Names in them are the target's.
inline void warn(const Error& error) { std::fprintf(stderr, "memtrace-bpf: %s\n", printable(error.what).c_str()); }

/// Why a command failed, and what to do.
inline void print_error(const Error& error) {
    warn(error);
    if (!error.hint.empty()) std::fprintf(stderr, "  -> %s\n", printable(error.hint).c_str());
}

}  // namespace memtrace::cli
