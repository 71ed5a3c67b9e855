#include "symbolizer/unit_index.hpp"

#include <dwarf.h>

#include <string_view>
#include <vector>

#include "symbolizer/names.hpp"

namespace memtrace {
namespace {

// Far above what compilers write; they bound the time and memory that a made-up file can cost.
constexpr std::size_t kMaxRanges = 4'000'000;
constexpr std::size_t kMaxEntriesOfUnit = 10'000'000;
constexpr std::size_t kMaxNesting = 256;
constexpr int kMaxReferences = 8;
// Line table, abbreviations and functions of a unit, by the size of its .debug_info (measured with glibc and CPython).
constexpr std::uint64_t kMemoryPerUnitByte = 3;

void add_ranges(Dwarf_Die& die, std::uint32_t depth, std::vector<RangeMap::Range>& ranges) {
    Dwarf_Addr base = 0;
    Dwarf_Addr start = 0;
    Dwarf_Addr end = 0;
    for (ptrdiff_t at = 0; ranges.size() < kMaxRanges && (at = dwarf_ranges(&die, at, &base, &start, &end)) > 0;) {
        // Functions that the linker threw away keep their entries, moved to address 0 (older linkers: 1).
        if (start > 1) ranges.push_back({start, end, depth, dwarf_dieoffset(&die)});
    }
}

bool holds_code(int tag) {
    switch (tag) {
        case DW_TAG_subprogram:
        case DW_TAG_inlined_subroutine:
        case DW_TAG_lexical_block:
        case DW_TAG_try_block:
        case DW_TAG_catch_block:
        case DW_TAG_namespace:
        case DW_TAG_module: return true;
        default: return false;
    }
}

bool is_function(int tag) { return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine; }

// Depth-first with a list of its own: the nesting is the file's to choose, our stack is not.
RangeMap read_functions(Dwarf_Die& unit) {
    std::vector<RangeMap::Range> ranges;
    std::vector<Dwarf_Die> path(1);
    if (dwarf_child(&unit, &path[0]) != 0) return {};
    for (std::size_t seen = 0; !path.empty() && seen < kMaxEntriesOfUnit; ++seen) {
        Dwarf_Die die = path.back();
        const int tag = dwarf_tag(&die);
        if (is_function(tag)) add_ranges(die, static_cast<std::uint32_t>(path.size()), ranges);
        Dwarf_Die child;
        if (holds_code(tag) && path.size() < kMaxNesting && dwarf_child(&die, &child) == 0) {
            path.push_back(child);
            continue;
        }
        while (!path.empty()) {
            Dwarf_Die current = path.back();
            if (dwarf_siblingof(&current, &path.back()) == 0) break;
            path.pop_back();
        }
    }
    return RangeMap(std::move(ranges));
}

const char* text_of(Dwarf_Die& die, unsigned name) {
    Dwarf_Attribute attribute;
    return dwarf_attr(&die, name, &attribute) != nullptr ? dwarf_formstring(&attribute) : nullptr;
}

struct FunctionName {
    const char* linkage = nullptr;
    const char* plain = nullptr;
};

// An inlined call or an out-of-line copy refers to the entry that has the name; chains are short unless made up.
FunctionName name_of(Dwarf_Die die) {
    FunctionName name;
    for (int i = 0; i < kMaxReferences; ++i) {
        name.linkage = text_of(die, DW_AT_linkage_name);
        if (name.linkage == nullptr) name.linkage = text_of(die, DW_AT_MIPS_linkage_name);
        if (name.plain == nullptr) name.plain = text_of(die, DW_AT_name);
        if (name.linkage != nullptr) break;
        Dwarf_Attribute reference;
        Dwarf_Die next;
        if (dwarf_attr(&die, DW_AT_abstract_origin, &reference) == nullptr && dwarf_attr(&die, DW_AT_specification, &reference) == nullptr) break;
        if (dwarf_formref_die(&reference, &next) == nullptr) break;
        die = next;
    }
    return name;
}

std::uint64_t size_of(Dwarf* dwarf, Dwarf_Die& unit) {
    Dwarf_Off next = 0;
    std::size_t header_bytes = 0;
    const Dwarf_Off start = dwarf_dieoffset(&unit) - dwarf_cuoffset(&unit);
    if (dwarf_nextcu(dwarf, start, &next, &header_bytes, nullptr, nullptr, nullptr) != 0) return 0;
    return next - start;
}

bool has_mangled_names(int language) {
    switch (language) {
        case DW_LANG_C89:
        case DW_LANG_C:
        case DW_LANG_C99:
        case DW_LANG_C11: return false;
        default: return true;
    }
}

}  // namespace

UnitIndex::UnitIndex(Dwarf* dwarf) : dwarf_(dwarf) {
    std::vector<RangeMap::Range> ranges;
    Dwarf_CU* unit = nullptr;
    Dwarf_Die die;
    while (dwarf_get_units(dwarf, unit, &unit, nullptr, nullptr, &die, nullptr) == 0) {
        const int tag = dwarf_tag(&die);
        if (tag == DW_TAG_compile_unit || tag == DW_TAG_skeleton_unit) add_ranges(die, 0, ranges);
    }
    units_ = RangeMap(std::move(ranges));
}

const RangeMap& UnitIndex::functions_of(Dwarf_Die& unit) {
    const auto [entry, is_new] = functions_.try_emplace(dwarf_dieoffset(&unit));
    if (is_new) {
        entry->second = read_functions(unit);
        memory_bytes_ += kMemoryPerUnitByte * size_of(dwarf_, unit);
    }
    return entry->second;
}

std::optional<UnitIndex::Place> UnitIndex::find(std::uint64_t address) {
    const std::optional<std::uint64_t> unit_offset = units_.find(address);
    Dwarf_Die unit;
    if (!unit_offset || dwarf_offdie(dwarf_, *unit_offset, &unit) == nullptr) return std::nullopt;
    Dwarf_Line* row = dwarf_getsrc_die(&unit, address);
    int line = 0;
    const char* file = row != nullptr ? dwarf_linesrc(row, nullptr, nullptr) : nullptr;
    if (file == nullptr || dwarf_lineno(row, &line) != 0 || line <= 0) return std::nullopt;

    const char* directory = text_of(unit, DW_AT_comp_dir);
    Place place{.file = source_path(directory != nullptr ? directory : "", file), .line = static_cast<std::uint32_t>(line)};
    const std::optional<std::uint64_t> function = functions_of(unit).find(address);
    Dwarf_Die die;
    if (!function || dwarf_offdie(dwarf_, *function, &die) == nullptr) return place;
    const FunctionName name = name_of(die);
    const char* best = name.linkage != nullptr ? name.linkage : name.plain;
    if (best != nullptr) place.function = demangle(best);
    // A name that is better not demangled is still a name in the source.
    if (name.plain != nullptr && place.function.starts_with("_Z")) place.function = demangle(name.plain);
    place.whole_name = name.linkage != nullptr || !has_mangled_names(dwarf_srclang(&unit)) || dwarf_tag(&die) == DW_TAG_inlined_subroutine;
    return place;
}

}  // namespace memtrace
