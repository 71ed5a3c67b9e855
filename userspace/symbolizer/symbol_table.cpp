#include "symbolizer/symbol_table.hpp"

#include <gelf.h>

#include <algorithm>
#include <cstring>
#include <tuple>

namespace memtrace {
namespace {

constexpr std::size_t kMaxSymbols = 4'000'000;

// Public names before local ones, and "malloc" before "__libc_malloc".
int rank_of(int binding, const char* name) {
    const int by_binding = binding == STB_GLOBAL || binding == STB_WEAK || binding == STB_GNU_UNIQUE ? 0 : 3;
    const std::size_t underscores = std::strspn(name, "_");
    return by_binding + static_cast<int>(std::min<std::size_t>(underscores, 2));
}

bool is_code(const GElf_Sym& symbol) {
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx == SHN_ABS) return false;
    const int type = GELF_ST_TYPE(symbol.st_info);
    return type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE;
}

std::uint64_t section_end(Elf* elf, std::size_t index) {
    GElf_Shdr header;
    Elf_Scn* section = index < SHN_LORESERVE ? elf_getscn(elf, index) : nullptr;
    return section != nullptr && gelf_getshdr(section, &header) != nullptr ? header.sh_addr + header.sh_size : 0;
}

}  // namespace

SymbolTable::SymbolTable(const std::vector<const ObjectFile*>& files) {
    for (const ObjectFile* file : files) {
        for (Elf_Scn* section = nullptr; (section = elf_nextscn(file->elf(), section)) != nullptr;) read_section(file->elf(), section);
    }
    entries_.shrink_to_fit();
    std::sort(entries_.begin(), entries_.end(),
              [](const Entry& a, const Entry& b) { return std::tie(a.start, b.rank, a.end) < std::tie(b.start, a.rank, b.end); });
}

void SymbolTable::read_section(Elf* elf, Elf_Scn* section) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr || (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM)) return;
    Elf_Data* data = elf_getdata(section, nullptr);
    if (data == nullptr || data->d_buf == nullptr || header.sh_entsize == 0) return;
    const std::size_t count = std::min<std::size_t>(data->d_size / header.sh_entsize, kMaxSymbols);
    for (std::size_t i = 0; i < count && entries_.size() < kMaxSymbols; ++i) {
        GElf_Sym symbol;
        if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr) break;
        if (!is_code(symbol)) continue;
        const char* name = elf_strptr(elf, header.sh_link, symbol.st_name);
        // "$x", ".L…" and empty names are the assembler's, not functions.
        if (name == nullptr || *name == '\0' || *name == '$' || *name == '.') continue;
        const bool sized = symbol.st_size != 0;
        const std::uint64_t end = sized ? symbol.st_value + symbol.st_size : section_end(elf, symbol.st_shndx);
        entries_.push_back({symbol.st_value, end, sized, name, rank_of(GELF_ST_BIND(symbol.st_info), name)});
    }
}

std::optional<SymbolTable::Symbol> SymbolTable::find(std::uint64_t address) const {
    const auto after = std::upper_bound(entries_.begin(), entries_.end(), address,
                                        [](std::uint64_t wanted, const Entry& entry) { return wanted < entry.start; });
    if (after == entries_.begin()) return std::nullopt;
    // The best name for an address sorts last; a worse one is taken only when its end alone is known.
    std::optional<Symbol> unsized;
    for (auto entry = std::prev(after); entry->start == std::prev(after)->start; --entry) {
        const bool inside = address < entry->end;
        if (inside && entry->sized) return Symbol{entry->name, address - entry->start};
        if (inside && !unsized) unsized = Symbol{entry->name, address - entry->start};
        if (entry == entries_.begin()) break;
    }
    // What is sized and ends before the address proves that a sizeless name for the same start does not reach it either.
    return std::prev(after)->sized ? std::nullopt : unsized;
}

}  // namespace memtrace
