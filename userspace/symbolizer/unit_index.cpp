#include "symbolizer/unit_index.hpp"

#include <dwarf.h>

#include <algorithm>
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
// What is kept of a unit: rows of its line table (libdw's), two boundaries a range, and its abbreviations.
constexpr std::uint64_t kMemoryPerRow = 48, kMemoryPerRange = 32, kMemoryPerInlined = 16, kMemoryPerUnit = 16'384;
constexpr std::size_t kMaxInlined = 64;

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

struct CallPlace {
    const char* file;
    std::uint32_t line;
};

std::optional<std::uint32_t> number_of(Dwarf_Die& die, unsigned name) {
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (dwarf_attr(&die, name, &attribute) == nullptr || dwarf_formudata(&attribute, &value) != 0 || value > UINT32_MAX) return std::nullopt;
    return static_cast<std::uint32_t>(value);
}

// Where an inlined function was called.
std::optional<CallPlace> call_of(Dwarf_Die& unit, Dwarf_Die& inlined) {
    const std::optional<std::uint32_t> file = number_of(inlined, DW_AT_call_file), line = number_of(inlined, DW_AT_call_line);
    Dwarf_Files* files = nullptr;
    std::size_t count = 0;
    if (!file || !line || *line == 0 || dwarf_getsrcfiles(&unit, &files, &count) != 0 || *file >= count) return std::nullopt;
    const char* name = dwarf_filesrc(files, *file, nullptr, nullptr);
    if (name == nullptr) return std::nullopt;
    return CallPlace{name, *line};
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

std::optional<Dwarf_Off> UnitIndex::Functions::around(Dwarf_Off inlined) const {
    const auto found = std::lower_bound(inlined_into.begin(), inlined_into.end(), std::pair(inlined, Dwarf_Off{0}));
    if (found == inlined_into.end() || found->first != inlined) return std::nullopt;
    return found->second;
}

// Depth-first with a list of its own: the nesting is the file's to choose, our stack is not. Entries come in the order of the file.
UnitIndex::Functions UnitIndex::read_functions(Dwarf_Die& unit) {
    Functions functions;
    std::vector<RangeMap::Range> ranges;
    std::vector<Dwarf_Die> path(1);
    if (dwarf_child(&unit, &path[0]) != 0) return functions;
    for (std::size_t seen = 0; !path.empty() && seen < kMaxEntriesOfUnit; ++seen) {
        Dwarf_Die die = path.back();
        const int tag = dwarf_tag(&die);
        if (is_function(tag)) add_ranges(die, static_cast<std::uint32_t>(path.size()), ranges);
        if (tag == DW_TAG_inlined_subroutine) {
            const auto around = std::find_if(path.rbegin() + 1, path.rend(), [](Dwarf_Die& outer) { return is_function(dwarf_tag(&outer)); });
            if (around != path.rend()) functions.inlined_into.emplace_back(dwarf_dieoffset(&die), dwarf_dieoffset(&*around));
        }
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
    functions.range_count = ranges.size();
    functions.ranges = RangeMap(std::move(ranges));
    return functions;
}

const UnitIndex::Functions& UnitIndex::functions_of(Dwarf_Die& unit) {
    const auto [entry, is_new] = functions_.try_emplace(dwarf_dieoffset(&unit));
    if (is_new) {
        entry->second = read_functions(unit);
        Dwarf_Lines* lines = nullptr;
        std::size_t rows = 0;
        if (dwarf_getsrclines(&unit, &lines, &rows) != 0) rows = 0;
        memory_bytes_ += kMemoryPerUnit + kMemoryPerRow * rows + kMemoryPerRange * entry->second.range_count +
                         kMemoryPerInlined * entry->second.inlined_into.size();
    }
    return entry->second;
}

void UnitIndex::name(Dwarf_Die& function, bool mangled_names, Place& place) const {
    const FunctionName name = name_of(function);
    const char* best = name.linkage != nullptr ? name.linkage : name.plain;
    if (best != nullptr) place.function = demangle(best);
    // A name that is better not demangled is still a name in the source.
    if (name.plain != nullptr && place.function.starts_with("_Z")) place.function = demangle(name.plain);
    place.whole_name = name.linkage != nullptr || !mangled_names || dwarf_tag(&function) == DW_TAG_inlined_subroutine;
}

std::vector<UnitIndex::Place> UnitIndex::find(std::uint64_t address) {
    const std::optional<std::uint64_t> unit_offset = units_.find(address);
    Dwarf_Die unit;
    if (!unit_offset || dwarf_offdie(dwarf_, *unit_offset, &unit) == nullptr) return {};
    Dwarf_Line* row = dwarf_getsrc_die(&unit, address);
    int line = 0;
    const char* file = row != nullptr ? dwarf_linesrc(row, nullptr, nullptr) : nullptr;
    if (file == nullptr || dwarf_lineno(row, &line) != 0 || line <= 0) return {};

    const char* comp_dir = text_of(unit, DW_AT_comp_dir);
    const std::string_view directory = comp_dir != nullptr ? comp_dir : "";
    const bool mangled_names = has_mangled_names(dwarf_srclang(&unit));
    const Functions& functions = functions_of(unit);
    std::vector<Place> places{{.file = source_path(directory, file), .line = static_cast<std::uint32_t>(line)}};
    std::optional<Dwarf_Off> function = functions.ranges.find(address);
    Dwarf_Die die;
    while (function && dwarf_offdie(dwarf_, *function, &die) != nullptr) {
        name(die, mangled_names, places.back());
        function = places.size() < kMaxInlined ? functions.around(*function) : std::nullopt;
        const std::optional<CallPlace> call = function ? call_of(unit, die) : std::nullopt;
        if (!call) break;
        places.push_back({.file = source_path(directory, call->file), .line = call->line});
    }
    return places;
}

}  // namespace memtrace
