#include "python/tables.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "hooks.h"
#include "probes/decode.hpp"

namespace memtrace {

const std::array<TableFunction, table_functions> table_layout{{
#define FUNCTION(name, shape) {#name, shape},
    MT_PYTHON_FUNCTIONS(FUNCTION)
#undef FUNCTION
}};

namespace {

constexpr mt_domain python_domains[] = {MT_DOMAIN_RAW, MT_DOMAIN_MEM, MT_DOMAIN_OBJ};

struct Wrapper {
    const char* symbol;
    mt_domain domain;
};
constexpr Wrapper wrappers[] = {{"PyMem_RawMalloc", MT_DOMAIN_RAW}, {"PyMem_Malloc", MT_DOMAIN_MEM}, {"PyObject_Malloc", MT_DOMAIN_OBJ}};

// A wrapper reaches its table within its first instructions: size check, two loads, the call.
constexpr std::size_t wrapper_bytes = 96;

// A program that has replaced the allocators of two domains by functions of its own has left those of the third.
constexpr std::size_t least_known = table_functions;

// The debug hooks' memory of the defaults stands beside the tables: in the same object file's data, or behind them in _PyRuntime.
constexpr std::uint64_t near_bytes = 16384;

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

AllocatorTable table_of(mt_domain domain, std::uint64_t address, std::span<const std::uint64_t> words) {
    AllocatorTable table;
    table.domain = domain;
    table.address = address;
    table.ctx = words[0];
    std::copy_n(words.begin() + 1, table_functions, table.functions.begin());
    return table;
}

// How many of a table's pointers lead to known code. A program may have put some elsewhere, into memory of its own.
std::size_t known_functions(const std::vector<Module>& modules, std::span<const std::uint64_t> words) {
    const auto is_known = [&](std::uint64_t word) { return find_module(modules, word) != nullptr; };
    return static_cast<std::size_t>(std::count_if(words.begin() + 1, words.begin() + table_words, is_known));
}

std::optional<AllocatorTable> find_table(const Target& target, const std::vector<Module>& modules, const Module& python, const Wrapper& wrapper) {
    const std::optional<ElfSymbol> symbol = python.image.find_symbol(wrapper.symbol);
    if (!symbol) return std::nullopt;
    const std::size_t size = std::min<std::size_t>(symbol->size ? symbol->size : wrapper_bytes, wrapper_bytes);
    const std::vector<std::uint64_t> loads = operands_of(python.image.bytes_at(symbol->address, size), symbol->address);
    std::optional<AllocatorTable> unverified;
    for (const std::uint64_t load : loads) {
        // Both ctx and malloc are loaded; only the pair names a table.
        if (std::find(loads.begin(), loads.end(), load - 8) == loads.end()) continue;
        const std::uint64_t address = load - 8 + python.bias;
        std::array<std::uint64_t, table_words> words{};
        if (!target.read(address, std::as_writable_bytes(std::span(words)))) continue;
        if (known_functions(modules, words) == table_functions) return table_of(wrapper.domain, address, words);
        if (!unverified) unverified = table_of(wrapper.domain, address, words);
    }
    return unverified;
}

}  // namespace

std::vector<AllocatorTable> tables_by_wrappers(const Target& target, const std::vector<Module>& modules, const Module& python) {
    std::vector<AllocatorTable> tables;
    for (const Wrapper& wrapper : wrappers)
        if (std::optional<AllocatorTable> table = find_table(target, modules, python, wrapper)) tables.push_back(*table);
    return tables;
}

std::vector<AllocatorTable> tables_in_runtime(const std::vector<Module>& modules, std::span<const std::uint64_t> runtime, std::uint64_t address) {
    constexpr std::size_t all_words = std::size(python_domains) * table_words;
    std::vector<AllocatorTable> best;
    std::size_t best_known = least_known - 1;
    for (std::size_t i = 0; i + all_words <= runtime.size(); ++i) {
        std::vector<AllocatorTable> tables;
        std::size_t known = 0;
        for (const mt_domain domain : python_domains) {
            const std::size_t at = i + tables.size() * table_words;
            const std::span<const std::uint64_t> words = runtime.subspan(at, table_words);
            if (std::find(words.begin() + 1, words.end(), std::uint64_t{0}) != words.end()) break;
            known += known_functions(modules, words);
            tables.push_back(table_of(domain, address + 8 * at, words));
        }
        if (tables.size() != std::size(python_domains) || known <= best_known) continue;
        best = std::move(tables);
        best_known = known;
    }
    return best;
}

std::vector<AllocatorTable> default_tables(const Target& target, std::uint64_t near) {
    constexpr std::array<std::uint8_t, std::size(python_domains)> names{'r', 'm', 'o'};
    constexpr std::size_t entry_words = 1 + table_words;
    std::vector<std::uint64_t> words(2 * near_bytes / 8);
    const std::uint64_t begin = near - near_bytes;
    // Word by word at the edges of what is mapped would be slow; page by page is enough.
    constexpr std::size_t page_words = 512;
    for (std::size_t at = 0; at < words.size();) {
        const std::size_t until_page = page_words - (begin / 8 + at) % page_words;
        const std::size_t count = std::min(until_page, words.size() - at);
        (void)target.read(begin + 8 * at, std::as_writable_bytes(std::span(words).subspan(at, count)));  // unmapped: zeros
        at += count;
    }
    for (std::size_t i = 0; i + names.size() * entry_words <= words.size(); ++i) {
        std::vector<AllocatorTable> tables;
        while (tables.size() < names.size() && (words[i + tables.size() * entry_words] & 0xff) == names[tables.size()]) {
            const std::size_t at = i + tables.size() * entry_words + 1;
            tables.push_back(table_of(python_domains[tables.size()], begin + 8 * at, std::span<const std::uint64_t>(words).subspan(at, table_words)));
        }
        if (tables.size() == names.size()) return tables;
    }
    return {};
}

}  // namespace memtrace
