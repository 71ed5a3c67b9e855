// One object file of a target, opened, with everything that names its addresses.
#pragma once

#include <elfutils/libdw.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "symbolizer/debug_file.hpp"
#include "symbolizer/object_file.hpp"
#include "symbolizer/symbol_table.hpp"
#include "symbolizer/unit_index.hpp"

namespace memtrace {

/// Works on places in the file alone; where a process has it mapped does not matter.
class ModuleSymbols {
public:
    struct Name {
        std::string file;  ///< Empty without a line.
        std::uint32_t line = 0;
        std::string function;  ///< With "+0x1f" when there is no line.
    };

    /// `path` is the target's name for the file, `target_root` its "/" (may be none), `servers` may be null.
    static Result<ModuleSymbols> open(const UniqueFd& marked, const std::string& path, const UniqueFd& target_root, Debuginfod* servers);
    ModuleSymbols(ModuleSymbols&&) = default;
    ModuleSymbols& operator=(ModuleSymbols&&) = delete;  // member by member it would free files under their readers

    /// What the call that returns to `file_offset` is called: the innermost inlined function first, the one that is really there last.
    /// Empty when not even a symbol is known.
    std::vector<Name> names_of_call(std::uint64_t file_offset);

    /// Roughly the memory it keeps, file pages apart.
    [[nodiscard]] std::uint64_t memory_bytes() const;
    /// The part of it that came with use and that opening it anew would give back.
    [[nodiscard]] std::uint64_t grown_bytes() const { return units_ ? units_->memory_bytes() : 0; }
    [[nodiscard]] bool has_debug_information() const { return units_ != nullptr; }

private:
    struct EndDwarf {
        void operator()(Dwarf* dwarf) const { dwarf_end(dwarf); }
    };
    struct Segment {
        std::uint64_t file_start;
        std::uint64_t file_end;
        std::uint64_t address;
    };
    using DwarfOwner = std::unique_ptr<Dwarf, EndDwarf>;

    explicit ModuleSymbols(ObjectFile main) : main_(std::make_unique<ObjectFile>(std::move(main))) {}
    void read_segments();
    void open_debug_information(const std::string& path, const UniqueFd& target_root, Debuginfod* servers);
    [[nodiscard]] std::optional<std::uint64_t> address_of(std::uint64_t file_offset) const;
    std::optional<SymbolTable::Symbol> symbol_at(std::uint64_t address);

    // Each is used by those below it. Files are held by pointer because what reads them keeps their addresses.
    std::unique_ptr<ObjectFile> main_;
    std::unique_ptr<ObjectFile> debug_;
    std::unique_ptr<ObjectFile> shared_debug_;
    std::vector<Segment> code_;
    DwarfOwner shared_dwarf_;
    DwarfOwner dwarf_;
    std::unique_ptr<UnitIndex> units_;
    std::unique_ptr<SymbolTable> symbols_;
};

}  // namespace memtrace
