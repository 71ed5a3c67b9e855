#include "symbolizer/module.hpp"

#include <elfutils/libdwelf.h>
#include <gelf.h>

#include <algorithm>

#include <fmt/format.h>

#include "symbolizer/names.hpp"

namespace memtrace {

Result<ModuleSymbols> ModuleSymbols::open(const UniqueFd& marked, const std::string& path, const UniqueFd& target_root, Debuginfod* servers) {
    Result<ObjectFile> main = ObjectFile::open(marked);
    if (!main) return std::move(main).error().in(path);
    ModuleSymbols module(*std::move(main));
    module.read_segments();
    module.open_debug_information(path, target_root, servers);
    return module;
}

void ModuleSymbols::read_segments() {
    std::size_t count = 0;
    if (elf_getphdrnum(main_->elf(), &count) != 0) return;
    // e_phnum is 16 bits wide; an extended count has no use in a program that a kernel loads.
    count = std::min<std::size_t>(count, PN_XNUM);
    for (std::size_t i = 0; i < count; ++i) {
        GElf_Phdr header;
        if (gelf_getphdr(main_->elf(), static_cast<int>(i), &header) == nullptr) return;
        if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
        code_.push_back({header.p_offset, header.p_offset + header.p_filesz, header.p_vaddr});
    }
}

void ModuleSymbols::open_debug_information(const std::string& path, const UniqueFd& target_root, Debuginfod* servers) {
    const bool in_main = main_->has_section(".debug_info") || main_->has_section(".zdebug_info");
    if (!in_main) {
        std::optional<ObjectFile> found = find_debug_file(*main_, path, target_root, servers);
        if (!found) return;
        debug_ = std::make_unique<ObjectFile>(*std::move(found));
    }
    dwarf_.reset(dwarf_begin_elf(in_main ? main_->elf() : debug_->elf(), DWARF_C_READ, nullptr));
    if (!dwarf_) return;

    const char* name = nullptr;
    const void* build_id = nullptr;
    const ssize_t size = dwelf_dwarf_gnu_debugaltlink(dwarf_.get(), &name, &build_id);
    if (size != 0) {
        // Left to itself, libdw opens whatever has that name, be it a fifo. Without the file half of the strings are
        // missing anyway: better symbols than that.
        std::optional<ObjectFile> found;
        const std::span id(static_cast<const std::byte*>(build_id), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        if (size > 0) found = find_shared_debug_file(id, name, target_root, servers);
        if (found) shared_debug_ = std::make_unique<ObjectFile>(*std::move(found));
        if (shared_debug_) shared_dwarf_.reset(dwarf_begin_elf(shared_debug_->elf(), DWARF_C_READ, nullptr));
        if (!shared_dwarf_) return dwarf_.reset();
        dwarf_setalt(dwarf_.get(), shared_dwarf_.get());
    }
    units_ = std::make_unique<UnitIndex>(dwarf_.get());
}

std::optional<std::uint64_t> ModuleSymbols::address_of(std::uint64_t file_offset) const {
    for (const Segment& segment : code_) {
        if (file_offset >= segment.file_start && file_offset < segment.file_end) return segment.address + (file_offset - segment.file_start);
    }
    return std::nullopt;
}

std::optional<SymbolTable::Symbol> ModuleSymbols::symbol_at(std::uint64_t address) {
    if (!symbols_) {
        std::vector<const ObjectFile*> files{main_.get()};
        if (debug_) files.push_back(debug_.get());
        symbols_ = std::make_unique<SymbolTable>(files);
    }
    return symbols_->find(address);
}

std::uint64_t ModuleSymbols::memory_bytes() const {
    std::uint64_t bytes = grown_bytes() + (symbols_ ? symbols_->memory_bytes() : 0);
    for (const ObjectFile* file : {main_.get(), debug_.get(), shared_debug_.get()}) bytes += file != nullptr ? file->decompressed_bytes() : 0;
    return bytes;
}

std::vector<ModuleSymbols::Name> ModuleSymbols::names_of_call(std::uint64_t file_offset) {
    // The byte before: a call that never returns may be its function's last instruction.
    const std::optional<std::uint64_t> address = file_offset > 0 ? address_of(file_offset - 1) : std::nullopt;
    if (!address) return {};
    std::vector<UnitIndex::Place> places = units_ ? units_->find(*address) : std::vector<UnitIndex::Place>();
    const bool complete = !places.empty() && places.back().whole_name && !places.back().function.empty();
    const std::optional<SymbolTable::Symbol> symbol = complete ? std::nullopt : symbol_at(*address);
    if (places.empty() && !symbol) return {};
    if (places.empty()) return {Name{.function = fmt::format("{}+{:#x}", demangle(symbol->name), symbol->offset + 1)}};
    // Without ".constprop.0" and the like: the line speaks of the function as it was written.
    if (symbol && (places.back().function.empty() || symbol->name.starts_with("_Z")))
        places.back().function = demangle(symbol->name.substr(0, symbol->name.find('.')));
    std::vector<Name> names;
    for (UnitIndex::Place& place : places) names.push_back({std::move(place.file), place.line, std::move(place.function)});
    return names;
}

}  // namespace memtrace
