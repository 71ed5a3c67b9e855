// Source positions out of one file's DWARF: which compilation unit covers an address, its line table, its functions and
// the calls inlined into them.
#pragma once

#include <elfutils/libdw.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "symbolizer/range_map.hpp"

namespace memtrace {

class UnitIndex {
public:
    struct Place {
        std::string file;
        std::uint32_t line = 0;  ///< Never 0: code without a line is no place.
        std::string function;    ///< Demangled; may be empty.
        bool whole_name = true;  ///< False: `function` lacks its scope and arguments; the symbol table may know more.
    };

    /// Reads the units' address ranges. (.debug_aranges, which libdw's own search needs, is missing from what clang and
    /// rustc make.) `dwarf` must outlive the index; a function's names and lines are read when first asked for.
    explicit UnitIndex(Dwarf* dwarf);

    /// The source places of the instruction at or around `address` (as in the file's headers): its own, then where the function it lies in
    /// was inlined to, and so on; the last is in the function that is really there. Empty: nothing is known. At most 64.
    std::vector<Place> find(std::uint64_t address);

    /// Roughly what the units asked about so far keep in memory; it only grows.
    [[nodiscard]] std::uint64_t memory_bytes() const { return memory_bytes_; }

private:
    struct Functions {
        RangeMap ranges;
        std::size_t range_count = 0;
        std::vector<std::pair<Dwarf_Off, Dwarf_Off>> inlined_into;  ///< From an inlined call to the function around it; sorted.
        [[nodiscard]] std::optional<Dwarf_Off> around(Dwarf_Off inlined) const;
    };
    const Functions& functions_of(Dwarf_Die& unit);
    static Functions read_functions(Dwarf_Die& unit);
    void name(Dwarf_Die& function, bool mangled_names, Place& place) const;

    Dwarf* dwarf_;
    RangeMap units_;
    std::unordered_map<Dwarf_Off, Functions> functions_;  // by the unit's offset
    std::uint64_t memory_bytes_ = 0;
};

}  // namespace memtrace
