#include "python/tables.hpp"

#include <algorithm>

#include "hooks.h"
#include "probes/decode.hpp"

namespace memtrace {

const std::array<TableFunction, table_functions> table_layout{{
#define FUNCTION(name, shape) {#name, shape},
    MT_PYTHON_FUNCTIONS(FUNCTION)
#undef FUNCTION
}};

namespace {

struct Wrapper {
    const char* symbol;
    mt_domain domain;
};
constexpr Wrapper wrappers[] = {{"PyMem_RawMalloc", MT_DOMAIN_RAW}, {"PyMem_Malloc", MT_DOMAIN_MEM}, {"PyObject_Malloc", MT_DOMAIN_OBJ}};

// A wrapper reaches its table within its first instructions: size check, two loads, the call.
constexpr std::size_t wrapper_bytes = 96;

// Addresses (link-time) of the fixed memory operands of the code at `address`.
std::vector<std::uint64_t> operands_of(std::span<const std::byte> code, std::uint64_t address) {
    std::vector<std::uint64_t> operands;
    while (const std::optional<Instruction> instruction = decode(code, address)) {
        if (instruction->operand_address) operands.push_back(*instruction->operand_address);
        code = code.subspan(instruction->length);
        address += instruction->length;
    }
    return operands;
}

// The table whose malloc pointer would stand at `malloc_slot`, if the memory there looks like one.
std::optional<AllocatorTable> table_at(const Target& target, const std::vector<Module>& modules, std::uint64_t malloc_slot) {
    std::array<std::uint64_t, table_functions> functions{};
    if (!target.read(malloc_slot, std::as_writable_bytes(std::span(functions)))) return std::nullopt;
    for (const std::uint64_t function : functions)
        if (!find_module(modules, function)) return std::nullopt;
    AllocatorTable table;
    table.address = malloc_slot - 8;
    table.functions = functions;
    return table;
}

std::optional<AllocatorTable> find_table(const Target& target, const std::vector<Module>& modules, const Module& python, const Wrapper& wrapper) {
    const std::optional<ElfSymbol> symbol = python.image.find_symbol(wrapper.symbol);
    if (!symbol) return std::nullopt;
    const std::size_t size = std::min<std::size_t>(symbol->size ? symbol->size : wrapper_bytes, wrapper_bytes);
    const std::vector<std::uint64_t> loads = operands_of(python.image.bytes_at(symbol->address, size), symbol->address);
    for (const std::uint64_t load : loads) {
        // Both ctx and malloc are loaded; only the pair names a table.
        if (std::find(loads.begin(), loads.end(), load - 8) == loads.end()) continue;
        if (std::optional<AllocatorTable> table = table_at(target, modules, load + python.bias)) {
            table->domain = wrapper.domain;
            return table;
        }
    }
    return std::nullopt;
}

}  // namespace

Result<std::optional<Interpreter>> find_interpreter(const Target& target, const std::vector<Module>& modules) {
    for (const Module& module : modules) {
        const std::optional<ElfSymbol> runtime = module.image.find_symbol("_PyRuntime");
        if (!runtime) continue;
        Interpreter interpreter;
        interpreter.module = &module;
        interpreter.runtime = runtime->address + module.bias;
        const std::optional<ElfSymbol> version = module.image.find_symbol("Py_Version");
        if (!version) return Error{module.path + ": a CPython older than 3.11 (it has no Py_Version)"};
        Result<std::uint64_t> hex = target.read<std::uint64_t>(version->address + module.bias);
        if (!hex) return std::move(hex).error().in("reading Py_Version");
        interpreter.version = PythonVersion::from_hex(*hex);
        for (const Wrapper& wrapper : wrappers)
            if (std::optional<AllocatorTable> table = find_table(target, modules, module, wrapper)) interpreter.tables.push_back(*table);
        return std::optional(std::move(interpreter));
    }
    return std::optional<Interpreter>();
}

}  // namespace memtrace
