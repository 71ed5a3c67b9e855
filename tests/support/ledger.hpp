// A workload's printed truth, and its comparison with what a snapshot says, line by line.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "model/snapshot.hpp"

namespace memtrace::test {

/// Live and ever allocated blocks and bytes of one source line.
struct LineTotals {
    std::uint64_t live_blocks = 0;
    std::uint64_t live_bytes = 0;
    std::uint64_t allocated_blocks = 0;
    std::uint64_t allocated_bytes = 0;
    bool operator==(const LineTotals&) const = default;
};
/// By "FILE:LINE", the file without its folders.
using Lines = std::map<std::string, LineTotals>;

struct Ledger {
    Lines lines;
    std::uint64_t untracked_frees = 0;
    std::optional<LineTotals> total;  ///< Live blocks and bytes only, where lines are not the program's own.
    std::string call;                 ///< "FILE:LINE" of a recursive call.
};

/// Reads the ledger's lines out of all a workload printed; other lines are passed over. Fails the test when there is no "done".
Ledger parse_ledger(const std::string& output);

/// "FILE:LINE" of a frame, the file without its folders.
std::string line_name(const Snapshot& snapshot, FrameId frame);

/// A snapshot's totals by the newest frame's line, for lines of `file` (its name without folders).
Lines lines_of_file(const Snapshot& snapshot, const std::string& file);

/// One message for each line that differs, or that only one side knows; empty when all are equal.
std::string differences(const Lines& truth, const Lines& seen);

/// The name without folders of the file all ledger lines are in.
std::string ledger_file(const Ledger& ledger);

}  // namespace memtrace::test
