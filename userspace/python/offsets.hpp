// Where CPython keeps what we read, one row a version: data, checked against that version's own headers by a test.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "memtrace.h"

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

/// Offsets for a version, and where in _PyRuntime the running thread's pointer stands; nothing for a version we do not know.
struct PythonOffsets {
    std::uint32_t runtime_current_thread = 0;
    mt_python python{};  ///< current_thread is left 0: it depends on the process.
};
std::optional<PythonOffsets> offsets_for(const PythonVersion& version);

}  // namespace memtrace
