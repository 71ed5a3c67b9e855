// Where CPython keeps what we read: one row a minor up to 3.12, later what the interpreter says of itself. Checked against each minor's
// own headers by a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "memtrace.h"
#include "python/line_table.hpp"
#include "util/result.hpp"

namespace memtrace {

/// PY_VERSION_HEX, taken apart.
struct PythonVersion {
    unsigned major = 0;
    unsigned minor = 0;
    unsigned micro = 0;
    static PythonVersion from_hex(std::uint64_t hex);
    [[nodiscard]] std::string text() const;  ///< "3.11.2"
    bool operator==(const PythonVersion&) const = default;
};

/// What depends on the version alone; valid for every micro release of a minor, with or without Py_DEBUG.
struct PythonOffsets {
    /// In _PyRuntime: pointer to the PyThreadState that holds the GIL, up to 3.11; 0: that pointer is thread-local. pthread mutexes stand
    /// before it: valid on x86-64, where glibc's and musl's are of one size.
    std::uint32_t runtime_current_thread = 0;
    LineTableFormat lines = LineTableFormat::lnotab;
    mt_python python{};  ///< runtime, current_thread, thread_local_* and contexts are left 0: they depend on the process.
};

/// As much of _PyRuntime as offsets_for() looks at.
inline constexpr std::size_t python_runtime_bytes = 768;

/// `runtime`: the first bytes of _PyRuntime as read from the process; looked at from 3.13 on, where _Py_DebugOffsets stands there.
/// Errors: a version before 3.8 or after 3.15; debug offsets that are missing, of another version, of a free-threaded build or an alpha
/// release, or that no interpreter can have: the target is not trusted.
Result<PythonOffsets> offsets_for(const PythonVersion& version, std::span<const std::byte> runtime);

}  // namespace memtrace
