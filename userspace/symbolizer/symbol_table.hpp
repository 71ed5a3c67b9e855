// The function symbols of one ELF file, by address. (libdwfl's own search reads every symbol for every question.)
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "symbolizer/object_file.hpp"

namespace memtrace {

class SymbolTable {
public:
    struct Symbol {
        std::string_view name;     ///< As in the file, mangled; lives as long as the file.
        std::uint64_t offset = 0;  ///< From the symbol's start to the address asked for.
    };

    /// .symtab and .dynsym of the files, at most 4 000 000 symbols. The files must outlive the table.
    explicit SymbolTable(const std::vector<const ObjectFile*>& files);

    /// The function that `address` (as in the file's headers) lies in. A symbol without a size (hand-written assembly) reaches to the
    /// next one in its section.
    [[nodiscard]] std::optional<Symbol> find(std::uint64_t address) const;

    [[nodiscard]] std::size_t memory_bytes() const { return entries_.size() * sizeof(Entry); }

private:
    struct Entry {
        std::uint64_t start;
        std::uint64_t end;
        bool sized;  // else `end` is its section's
        const char* name;
        int rank;  // of several names for one address the lowest is shown
    };
    void read_section(Elf* elf, Elf_Scn* section);

    std::vector<Entry> entries_;
};

}  // namespace memtrace
