// What the corpus holds by tracemalloc's account, and by the tracer's: block groups by traceback and by line, kinds of objects.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/snapshot.hpp"
#include "support/python.hpp"
#include "support/tracer.hpp"

namespace memtrace::test {

struct Traceback {
    std::vector<std::string> frames;  ///< "FILE:LINE", newest first.
    std::uint32_t depth = 0;          ///< True depth; 0: not known (tracemalloc before 3.9).
    auto operator<=>(const Traceback&) const = default;
};
using Tracebacks = std::map<Traceback, PythonLine>;

/// Which of tracemalloc's accounts: of blocks where they were allocated, or of objects, which it moves to another line when they live in
/// a block of a free list.
enum class Account { blocks, objects };

/// What tracemalloc says a script of the corpus holds, lines of the driver left out. Debug builds before 3.13 have no account of blocks;
/// `account` tells which one it was.
Tracebacks tracemalloc_says(const Interpreter& interpreter, const std::string& script, unsigned frames, Account& account);
/// What a snapshot says of Python's allocators, perhaps with the C library's: lines of the driver, mappings and blocks without a Python
/// frame are left out.
enum class With { pythons_only, c_library };
Tracebacks traced(const Snapshot& snapshot, With with = With::pythons_only);
/// Traces the script while tracemalloc traces it, too: started by it if not by an option of the interpreter, stopped by it.
struct BothAccounts {
    Tracebacks truth;
    Snapshot snapshot;
    Account account = Account::blocks;
};
BothAccounts trace_with_tracemalloc(const Interpreter& interpreter, const std::string& script);
/// Traces the script.
Snapshot trace_script(const Interpreter& interpreter, const std::string& script, const Arguments& options = {});

bool depth_known(const Tracebacks& tracebacks);
/// Tracebacks that differ in nothing else become one.
Tracebacks without_depth(const Tracebacks& tracebacks);
/// By newest frame, without folders.
PythonLines lines_of(const Tracebacks& tracebacks);
/// One message for each line that differs, or that only one side knows; empty when all are equal.
std::string differences(const PythonLines& truth, const PythonLines& seen);

/// The same for whole tracebacks, at most `most` messages.
std::string differences(const Tracebacks& truth, const Tracebacks& seen, std::size_t most = 10);

/// Two accounts in numbers.
struct Agreement {
    std::uint64_t groups = 0;  ///< Lines or tracebacks that either knows.
    std::uint64_t equal_groups = 0;
    std::int64_t bytes = 0;  ///< The larger of both sums.
    std::int64_t equal_bytes = 0;
    Agreement& operator+=(const Agreement& other);
    [[nodiscard]] double group_share() const;
    [[nodiscard]] double byte_share() const;
};
Agreement agreement(const PythonLines& truth, const PythonLines& seen);
Agreement agreement(const Tracebacks& truth, const Tracebacks& seen);

/// All blocks of one kind of object, wherever in the library they were allocated for it.
struct KindCount {
    std::string kind;
    PythonLine truth;
    PythonLine seen;
    /// Where classes are made, a block may be four bytes longer or shorter: an int that holds an address takes 28 bytes or 32, and
    /// addresses differ from run to run.
    [[nodiscard]] bool bytes_agree() const;
};
/// kinds.py in both ways; `count` pieces of each.
std::vector<KindCount> count_kinds(const Interpreter& interpreter, unsigned count, Account& account);

/// What a trace of forever.py leaves of its interpreter; empty when everything is as it was and the program has gone on, computing right.
std::string not_restored(const Interpreter& interpreter);

/// Scripts of the corpus that any interpreter runs.
extern const std::vector<std::string> corpus;

}  // namespace memtrace::test
