// Named moments of a program: functions that were asked for, and the marks that programs carry (include/memtrace_mark.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "memtrace.h"
#include "probes/modules.hpp"
#include "probes/planner.hpp"

namespace memtrace {

/// A function to be marked: --mark.
struct WantedMark {
    std::string module;        ///< File name, with or without what follows ".so"; empty: any.
    std::string symbol;        ///< Empty: `offset`.
    std::uint64_t offset = 0;  ///< In the file.
    std::string text;          ///< As it was asked for.
    bool operator==(const WantedMark&) const = default;
};

/// "FUNCTION", "LIB:SYMBOL" or "LIB+0xOFFSET".
Result<WantedMark> parse_mark(const std::string& text);

/// Where one of them is seen.
struct PlannedMark {
    std::string name;          ///< "load_model"; "" of marks that name themselves.
    std::uint32_t number = 0;  ///< Of the wanted one.
    mt_mark_kind kind = MT_MARK_BEFORE;
    bool at_return = false;  ///< Seen when the function at this address returns.
    std::string attach_path;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t offset = 0;  ///< In the file.
    [[nodiscard]] bool same_place(const PlannedMark& other) const {
        return device == other.device && inode == other.inode && offset == other.offset && kind == other.kind;
    }
};

/// The places of all marks in these modules; what cannot be seen of them goes to `notes`.
std::vector<PlannedMark> plan_marks(const std::vector<Module>& modules, const std::vector<WantedMark>& wanted, const ProbeCosts& costs,
                                    std::vector<std::string>& notes);

}  // namespace memtrace
