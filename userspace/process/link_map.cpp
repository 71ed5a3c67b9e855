#include "process/link_map.hpp"

#include <elf.h>
#include <link.h>

#include <optional>

#include "process/info.hpp"

namespace memtrace {
namespace {

// All of it is the target's: bounded.
constexpr std::size_t most_headers = 64;
constexpr std::size_t most_entries = 256;
constexpr std::size_t most_objects = 4096;

struct ProgramHeaders {
    std::uint64_t address = 0;
    std::uint64_t count = 0;
};

std::optional<ProgramHeaders> headers_of(int pid) {
    const Result<std::uint64_t> address = read_auxv(pid, AT_PHDR), count = read_auxv(pid, AT_PHNUM);
    if (!address || !count || *address == 0 || *count > most_headers) return std::nullopt;
    return ProgramHeaders{*address, *count};
}

// Where the loader's list is: the word that belongs to DT_DEBUG.
std::optional<std::uint64_t> debug_word(const Target& target, const ProgramHeaders& headers) {
    std::optional<std::uint64_t> bias, dynamic;
    for (std::uint64_t i = 0; i < headers.count; ++i) {
        const Result<Elf64_Phdr> header = target.read<Elf64_Phdr>(headers.address + i * sizeof(Elf64_Phdr));
        if (!header) return std::nullopt;
        if (header->p_type == PT_PHDR) bias = headers.address - header->p_vaddr;
        if (header->p_type == PT_DYNAMIC) dynamic = header->p_vaddr;
    }
    if (!bias || !dynamic) return std::nullopt;
    for (std::uint64_t i = 0; i < most_entries; ++i) {
        const Result<Elf64_Dyn> entry = target.read<Elf64_Dyn>(*bias + *dynamic + i * sizeof(Elf64_Dyn));
        if (!entry || entry->d_tag == DT_NULL) return std::nullopt;
        if (entry->d_tag == DT_DEBUG) return entry->d_un.d_ptr;
    }
    return std::nullopt;
}

}  // namespace

std::vector<std::uint64_t> biases_in_search_order(const Target& target) {
    std::vector<std::uint64_t> biases;
    const std::optional<ProgramHeaders> headers = headers_of(target.pid());
    const std::optional<std::uint64_t> debug = headers ? debug_word(target, *headers) : std::nullopt;
    if (!debug || *debug == 0) return biases;
    const Result<r_debug> list = target.read<r_debug>(*debug);
    auto at = list ? reinterpret_cast<std::uint64_t>(list->r_map) : 0;
    while (at != 0 && biases.size() < most_objects) {
        const Result<link_map> object = target.read<link_map>(at);
        if (!object) break;
        biases.push_back(object->l_addr);
        at = reinterpret_cast<std::uint64_t>(object->l_next);
    }
    return biases;
}

}  // namespace memtrace
