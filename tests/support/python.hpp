// The Python side of the tests: which interpreters there are, runs of the corpus driver, and tables of allocators.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/snapshot.hpp"
#include "support/process.hpp"

namespace memtrace::test {

struct Interpreter {
    std::string name;
    std::string path;
};
/// The distribution's static executable (PGO, LTO: allocators inlined behind guards). Skips the rule when there is none.
Interpreter static_python();
/// A plain build in a shared libpython 3.11: $MEMTRACE_PYTHON_SHARED, one of ~/.pyenv, or a host program of the distribution's
/// library. Skips the rule when there is none.
Interpreter shared_python();
bool has_numpy(const Interpreter& interpreter);

/// Live bytes and blocks of one Python line.
struct PythonLine {
    std::int64_t bytes = 0;
    std::int64_t blocks = 0;
    bool operator==(const PythonLine&) const = default;
};
/// By "FILE:LINE", the file without its folders.
using PythonLines = std::map<std::string, PythonLine>;

/// Runs a script of the corpus in driver mode `mode` ("tracemalloc" or "traced") up to "ready".
Child start_script(const Interpreter& interpreter, const std::string& script, const std::string& mode);
/// What tracemalloc says the script's lines hold.
PythonLines tracemalloc_lines(const Interpreter& interpreter, const std::string& script);
/// What a snapshot says the same lines hold; mappings are containers to tracemalloc and left out.
PythonLines traced_lines(const Snapshot& snapshot, const std::string& script);

/// forever.py, ready.
Child start_forever(const Interpreter& interpreter);
/// The fifteen words of the three allocator tables, as the interpreter's own API reads them.
std::string allocator_tables(Child& forever);
/// How far a forever program (C or Python) has come.
std::uint64_t progress(Child& forever);
/// Requires that it answers, and comes further between two answers.
void require_progress(Child& forever);

}  // namespace memtrace::test
