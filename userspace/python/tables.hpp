// CPython's allocator tables in a running process: {ctx, malloc, calloc, realloc, free} for raw, mem and obj. Found by
// decoding the exported wrappers (PyObject_Malloc loads its table's ctx and malloc), verified by content.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "memtrace.h"
#include "probes/modules.hpp"
#include "process/target.hpp"
#include "python/offsets.hpp"

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
    std::array<std::uint64_t, table_functions> functions{};  ///< What the slots hold now.
    [[nodiscard]] std::uint64_t slot(std::size_t i) const { return address + 8 * (i + 1); }
};

struct Interpreter {
    PythonVersion version;
    const Module* module = nullptr;      ///< Where _PyRuntime lives.
    std::uint64_t runtime = 0;           ///< Address of _PyRuntime in the target.
    std::vector<AllocatorTable> tables;  ///< raw, mem, obj, as far as found.
};

/// The interpreter the process runs, if any module is one. Error: it is one, but cannot be read as expected.
Result<std::optional<Interpreter>> find_interpreter(const Target& target, const std::vector<Module>& modules);

}  // namespace memtrace
