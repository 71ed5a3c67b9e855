#include "python/thread_local.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "probes/decode.hpp"

namespace memtrace {
namespace {

constexpr const char* getter = "PyThreadState_Get";
constexpr std::size_t longest_getter = 64;
constexpr std::uint32_t most_modules = 65536;
constexpr std::uint32_t glibc_stride = 16, musl_stride = 8;

// What __tls_get_addr is given.
struct TlsIndex {
    std::uint64_t module = 0;
    std::uint64_t offset = 0;
};

bool uses_musl(const std::vector<Module>& modules) {
    return std::any_of(modules.begin(), modules.end(), [](const Module& module) { return module.path.find("/ld-musl-") != std::string::npos; });
}

Error unknown_form(const Module& python) {
    return Error{python.path + ": how its " + std::string(getter) + " finds the thread's state is not understood",
                 "which thread runs which Python frame cannot be told; native allocations are traced"};
}

}  // namespace

Result<ThreadLocal> thread_local_of(const Target& target, const std::vector<Module>& modules, const Module& python) {
    const std::optional<ElfSymbol> symbol = python.image.find_symbol(getter);
    if (!symbol) return unknown_form(python);
    std::span<const std::byte> code = python.image.bytes_at(symbol->address, std::min<std::size_t>(symbol->size, longest_getter));
    std::uint64_t address = symbol->address;
    std::optional<std::uint64_t> operand;  // link-time address of what was loaded or taken last
    bool called = false;
    while (const std::optional<Instruction> instruction = decode(code, address)) {
        if (const auto& memory = instruction->memory) {
            // Static: mov rax, fs:[offset]
            if (memory->thread_local_ && !memory->base) return ThreadLocal{memory->displacement, 0, 0};
            // Initial exec: mov rax, [rip + place of the offset]; mov rax, fs:[rax]
            if (memory->thread_local_ && operand && !called) {
                const Result<std::int64_t> offset = target.read<std::int64_t>(*operand + python.bias);
                return offset ? Result<ThreadLocal>(ThreadLocal{*offset + memory->displacement, 0, 0}) : unknown_form(python);
            }
            // General or local dynamic: lea rdi, [rip + TlsIndex]; call __tls_get_addr; mov rax, [rax + in the block]
            if (called && operand) {
                const Result<TlsIndex> index = target.read<TlsIndex>(*operand + python.bias);
                if (!index || index->module == 0 || index->module > most_modules) return unknown_form(python);
                return ThreadLocal{static_cast<std::int64_t>(index->offset) + memory->displacement, static_cast<std::uint32_t>(index->module),
                                   uses_musl(modules) ? musl_stride : glibc_stride};
            }
        }
        if (instruction->operand_address) operand = instruction->operand_address;
        if (instruction->flow == ControlFlow::call) called = true;
        code = code.subspan(instruction->length);
        address += instruction->length;
    }
    return unknown_form(python);
}

}  // namespace memtrace
