// CPython's allocator tables in a running process: {ctx, malloc, calloc, realloc, free} for raw, mem and obj. Until 3.11 found by
// decoding the exported wrappers (PyObject_Malloc loads its table's ctx and malloc), later in _PyRuntime; verified by content.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "memtrace.h"
#include "probes/modules.hpp"
#include "process/target.hpp"

namespace memtrace {

inline constexpr std::size_t table_functions = 4;
struct TableFunction {
    const char* name;
    mt_shape shape;
};
/// malloc, calloc, realloc, free: in the table's order.
extern const std::array<TableFunction, table_functions> table_layout;

struct AllocatorTable {
    mt_domain domain = MT_DOMAIN_OBJ;
    std::uint64_t address = 0;                               ///< Of ctx; function i stands at address + 8 * (i + 1).
    std::uint64_t ctx = 0;                                   ///< What stands there now.
    std::array<std::uint64_t, table_functions> functions{};  ///< What the slots hold now.
    [[nodiscard]] std::uint64_t slot(std::size_t i) const { return address + 8 * (i + 1); }
};

/// The tables, as words of the target: ctx and four functions each.
inline constexpr std::size_t table_words = 1 + table_functions;

/// raw, mem, obj as the wrappers in `python` show them; those that were not found are missing. Their pointers may lead anywhere.
std::vector<AllocatorTable> tables_by_wrappers(const Target& target, const std::vector<Module>& modules, const Module& python);

/// raw, mem, obj within `runtime`, the content of _PyRuntime, which lies at `address`: the three tables in a row whose pointers lead
/// to known code most often, as many as one table has at least. Empty if there are none.
std::vector<AllocatorTable> tables_in_runtime(const std::vector<Module>& modules, std::span<const std::uint64_t> runtime, std::uint64_t address);

/// CPython's own allocators as it remembers them for its debug hooks: {'r', 'm' or 'o', ctx, four functions} thrice in a row, near
/// `near`. Their functions ignore ctx. Empty if not found.
std::vector<AllocatorTable> default_tables(const Target& target, std::uint64_t near);

}  // namespace memtrace
