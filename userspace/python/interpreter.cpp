#include "python/interpreter.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>

#include "probes/decode.hpp"
#include "python/thread_local.hpp"

namespace memtrace {
namespace {

constexpr std::size_t largest_runtime = 4U << 20;  // 3.15's is 340 KiB

// "3.10.13" at the start of a text; longer ones (3.13.0rc1) are cut.
std::optional<PythonVersion> parse_version(std::span<const std::byte> bytes) {
    std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    PythonVersion version;
    int length = 0;
    if (std::sscanf(text.c_str(), "%1u.%2u.%2u%n", &version.major, &version.minor, &version.micro, &length) != 3 || length == 0) return std::nullopt;
    return version.major == 3 ? std::optional(version) : std::nullopt;
}

// Before 3.11 only a text names the version: Py_GetVersion hands it to its formatter.
std::optional<PythonVersion> version_from_text(const Module& python) {
    constexpr std::size_t longest_function = 192, longest_version = 8;
    const std::optional<ElfSymbol> symbol = python.image.find_symbol("Py_GetVersion");
    if (!symbol) return std::nullopt;
    std::span<const std::byte> code = python.image.bytes_at(symbol->address, std::min<std::size_t>(symbol->size, longest_function));
    std::uint64_t address = symbol->address;
    while (const std::optional<Instruction> instruction = decode(code, address)) {
        for (const std::optional<std::uint64_t> candidate : {instruction->operand_address, instruction->immediate})
            if (candidate)
                if (const auto version = parse_version(python.image.bytes_at(*candidate, longest_version))) return version;
        code = code.subspan(instruction->length);
        address += instruction->length;
    }
    return std::nullopt;
}

Result<PythonVersion> version_of(const Target& target, const Module& python) {
    if (const std::optional<ElfSymbol> symbol = python.image.find_symbol("Py_Version")) {
        const Result<std::uint32_t> hex = target.read<std::uint32_t>(symbol->address + python.bias);
        if (!hex) return hex.error();
        return PythonVersion::from_hex(*hex);
    }
    if (const std::optional<PythonVersion> version = version_from_text(python)) return *version;
    return Error{python.path + ": a CPython whose version cannot be told", "3.8 to 3.15 are known"};
}

Result<std::vector<std::uint64_t>> read_runtime(const Target& target, const ElfSymbol& runtime, std::uint64_t address) {
    if (runtime.size == 0 || runtime.size > largest_runtime)
        return Error{"_PyRuntime has an impossible size: " + std::to_string(runtime.size) + " bytes"};
    std::vector<std::uint64_t> words(runtime.size / 8);
    if (Result<void> done = target.read(address, std::as_writable_bytes(std::span(words))); !done) return std::move(done).error();
    return words;
}

}  // namespace

std::vector<const Module*> python_modules(const std::vector<Module>& modules) {
    std::vector<const Module*> found;
    for (const Module& module : modules)
        if (module.image.find_symbol("_PyRuntime")) found.push_back(&module);
    return found;
}

Result<Interpreter> examine_interpreter(const Target& target, const std::vector<Module>& modules, const Module& python) {
    const std::optional<ElfSymbol> symbol = python.image.find_symbol("_PyRuntime");
    if (!symbol) return Error{python.path + ": no CPython"};
    Result<PythonVersion> version = version_of(target, python);
    if (!version) return std::move(version).error();
    const std::string name = "CPython " + version->text();
    const std::uint64_t address = symbol->address + python.bias;
    const Result<std::vector<std::uint64_t>> runtime = read_runtime(target, *symbol, address);
    if (!runtime) return Error(runtime.error()).in(name);
    Result<PythonOffsets> offsets = offsets_for(*version, std::as_bytes(std::span(*runtime)));
    if (!offsets) return std::move(offsets).error();

    Interpreter interpreter;
    interpreter.version = *version;
    interpreter.module = &python;
    interpreter.python = offsets->python;
    interpreter.python.linetable_format = static_cast<std::uint32_t>(offsets->lines);
    interpreter.python.runtime = address;
    if (offsets->runtime_current_thread) {
        interpreter.python.current_thread = address + offsets->runtime_current_thread;
        interpreter.tables = tables_by_wrappers(target, modules, python);
    } else {
        const Result<ThreadLocal> current = thread_local_of(target, modules, python);
        if (!current) return Error(current.error()).in(name);
        interpreter.python.thread_local_offset = current->offset;
        interpreter.python.thread_local_module = current->module;
        interpreter.python.thread_local_stride = current->stride;
        interpreter.tables = tables_in_runtime(modules, *runtime, address);
    }
    if (interpreter.tables.empty()) return Error{name + "'s allocator tables were not found"};
    interpreter.defaults = default_tables(target, interpreter.tables.front().address);
    return interpreter;
}

}  // namespace memtrace
