// What the C compiler makes of CPython's own headers: the truth that our offsets are checked against.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "python/offsets.hpp"

namespace memtrace::test {

/// Folders with Python.h and internal headers of CPython 3.8 to 3.15: the distribution's, pyenv's, and those named in
/// $PYTHON_INCLUDES, separated by colons.
std::vector<std::filesystem::path> python_includes();

struct PrintedOffsets {
    PythonVersion version;
    /// By name as in mt_python; frame offsets from the beginning of the frame. Besides them, what our reading of fields rests on.
    std::map<std::string, std::uint64_t> values;
    /// Where in _Py_DebugOffsets its fields are; empty before 3.13.
    std::map<std::string, std::size_t> places;
    /// The beginning of _PyRuntime as the headers initialise it, filled up with zeros; empty before 3.13.
    std::vector<std::byte> runtime;
};
/// Compiles and runs a program that prints them, with `macros` defined. Fails the test when the headers do not compile.
PrintedOffsets print_offsets(const std::filesystem::path& include, const std::vector<std::string>& macros);

}  // namespace memtrace::test
