// ElfImage: what the planner and the symbolizer ask of one ELF file.
#include "probes/elf_image.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <tuple>
#include <unordered_map>

#include "probes/elf_file.hpp"
#include "probes/frame_index.hpp"

namespace memtrace {
namespace {

// Symbols at or below an address that are looked at before giving up: aliases and nested parts; bounds hostile overlaps.
constexpr std::size_t most_overlaps = 64;

// A symbol with a size, by address: what covers an address?
struct Extent {
    std::uint64_t start = 0;
    std::uint64_t size = 0;
    std::string_view name;
    bool function = false;
    [[nodiscard]] bool covers(std::uint64_t address) const { return address - start < size; }
};

bool is_function(const Elf64_Sym& symbol) {
    const auto type = ELF64_ST_TYPE(symbol.st_info);
    return type == STT_FUNC || type == STT_GNU_IFUNC;
}

// Defined, and its value is an address.
bool has_address(const Elf64_Sym& symbol) {
    const auto type = ELF64_ST_TYPE(symbol.st_info);
    return symbol.st_shndx != SHN_UNDEF && symbol.st_shndx != SHN_ABS && (is_function(symbol) || type == STT_OBJECT || type == STT_NOTYPE);
}

std::string_view without_version(std::string_view name) { return name.substr(0, name.find('@')); }

std::optional<ElfSymbol> find_in(const ElfSymbols& symbols, std::string_view wanted) {
    for (const Elf64_Sym& symbol : symbols.entries) {
        if (!has_address(symbol)) continue;
        const std::string_view name = symbols.name_at(symbol.st_name);
        // Most names differ early; measuring and splitting all of them would cost the most.
        if (name.starts_with(wanted) && without_version(name) == wanted) {
            return ElfSymbol{std::string(wanted), symbol.st_value, symbol.st_size};
        }
    }
    return std::nullopt;
}

using WantedNames = std::unordered_map<std::string_view, std::size_t>;

void find_wanted(const ElfSymbols& symbols, const WantedNames& wanted, std::vector<std::optional<ElfSymbol>>& found) {
    for (const Elf64_Sym& symbol : symbols.entries) {
        if (!has_address(symbol)) continue;
        const std::string_view name = without_version(symbols.name_at(symbol.st_name));
        const auto at = wanted.find(name);
        if (at != wanted.end() && !found[at->second]) found[at->second] = ElfSymbol{std::string(name), symbol.st_value, symbol.st_size};
    }
}

void add_extents(const ElfSymbols& symbols, std::vector<Extent>& extents) {
    for (const Elf64_Sym& symbol : symbols.entries) {
        if (!has_address(symbol) || symbol.st_size == 0) continue;
        const std::string_view name = without_version(symbols.name_at(symbol.st_name));
        if (!name.empty()) extents.push_back({symbol.st_value, symbol.st_size, name, is_function(symbol)});
    }
}

// Last of equal addresses wins a search from above: the public name ("malloc", not "__libc_malloc"), then the longest.
bool extent_before(const Extent& a, const Extent& b) {
    const auto key = [](const Extent& extent) {
        return std::tuple(extent.start, -static_cast<int>(std::min<std::size_t>(extent.name.find_first_not_of('_'), 9)), extent.size);
    };
    return key(a) < key(b);
}

// A word of the file's data that the loader sets to the address of a symbol.
struct Import {
    std::uint64_t slot = 0;
    std::uint32_t symbol = 0;  // index into .dynsym
};

// Beyond it, calls through the linkage table stay unknown: a file of more than a million relocations is no allocator.
constexpr std::uint64_t most_relocation_bytes = std::uint64_t{32} << 20;

void add_imports(const ElfFile& file, std::string_view section, std::vector<Import>& imports) {
    const auto found = file.section(section, most_relocation_bytes);
    if (!found) return;
    for (std::size_t at = 0; at + sizeof(Elf64_Rela) <= found->bytes.size(); at += sizeof(Elf64_Rela)) {
        Elf64_Rela relocation;
        std::memcpy(&relocation, found->bytes.data() + at, sizeof relocation);
        const auto type = ELF64_R_TYPE(relocation.r_info);
        if (type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT)
            imports.push_back({relocation.r_offset, static_cast<std::uint32_t>(ELF64_R_SYM(relocation.r_info))});
    }
}

}  // namespace

struct ElfImage::State {
    std::string name;
    ElfFile file;
    bool symbols_read = false;
    ElfSymbols dynamic;
    ElfSymbols all;
    std::vector<Extent> extents;                 // sorted by start; names point into the two tables
    std::optional<std::vector<Import>> imports;  // sorted by slot

    void read_symbols() {
        if (symbols_read) return;
        symbols_read = true;
        dynamic = file.symbols(SHT_DYNSYM);
        all = file.symbols(SHT_SYMTAB);
        add_extents(all, extents);
        add_extents(dynamic, extents);
        std::ranges::stable_sort(extents, extent_before);
    }

    const std::vector<Import>& all_imports() {
        if (imports) return *imports;
        imports.emplace();
        add_imports(file, ".rela.plt", *imports);
        add_imports(file, ".rela.dyn", *imports);
        std::ranges::sort(*imports, {}, &Import::slot);
        return *imports;
    }

    std::span<const std::byte> bytes_at(std::uint64_t address, std::size_t size) {
        ElfSegment* segment = file.segment_of(address);
        if (segment == nullptr) return {};
        const auto bytes = file.bytes_of(*segment);
        const std::uint64_t start = address - segment->address;
        if (start > bytes.size() || size > bytes.size() - start) return {};
        return bytes.subspan(start, size);
    }

    const Extent* covering(std::uint64_t address, bool functions_only) {
        read_symbols();
        auto at = std::ranges::upper_bound(extents, address, {}, &Extent::start);
        for (std::size_t seen = 0; at != extents.begin() && seen < most_overlaps; ++seen) {
            --at;
            if (at->covers(address) && (at->function || !functions_only)) return &*at;
        }
        return nullptr;
    }
};

ElfImage::ElfImage(std::unique_ptr<State> state) : state_(std::move(state)) {}
ElfImage::ElfImage(ElfImage&&) noexcept = default;
ElfImage& ElfImage::operator=(ElfImage&&) noexcept = default;
ElfImage::~ElfImage() = default;

Result<ElfImage> ElfImage::open(const std::string& path, std::string name) {
    auto file = ElfFile::open(path, name);
    if (!file) return std::move(file).error();
    auto state = std::make_unique<State>();
    state->name = std::move(name);
    state->file = *std::move(file);
    return ElfImage(std::move(state));
}

const std::string& ElfImage::name() const { return state_->name; }

std::optional<ElfSymbol> ElfImage::find_symbol(std::string_view symbol) const {
    state_->read_symbols();
    if (symbol.empty()) return std::nullopt;
    auto found = find_in(state_->dynamic, symbol);
    return found ? found : find_in(state_->all, symbol);
}

std::vector<std::optional<ElfSymbol>> ElfImage::find_symbols(std::span<const std::string> symbols) const {
    state_->read_symbols();
    std::vector<std::optional<ElfSymbol>> found(symbols.size());
    WantedNames wanted;
    for (std::size_t i = 0; i < symbols.size(); ++i) wanted.emplace(symbols[i], i);
    find_wanted(state_->dynamic, wanted, found);
    find_wanted(state_->all, wanted, found);
    return found;
}

std::optional<std::string> ElfImage::import_at(std::uint64_t slot) const {
    state_->read_symbols();
    const std::vector<Import>& imports = state_->all_imports();
    const auto found = std::ranges::lower_bound(imports, slot, {}, &Import::slot);
    if (found == imports.end() || found->slot != slot || found->symbol >= state_->dynamic.entries.size()) return std::nullopt;
    const std::string_view name = without_version(state_->dynamic.name_at(state_->dynamic.entries[found->symbol].st_name));
    return name.empty() ? std::nullopt : std::optional(std::string(name));
}

std::vector<CodeView> ElfImage::code() const {
    std::vector<CodeView> views;
    for (ElfSegment& segment : state_->file.segments()) {
        if (segment.executable) views.push_back({state_->file.bytes_of(segment), segment.address});
    }
    return views;
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> ElfImage::function_bounds(std::uint64_t address) const {
    const ElfSegment* segment = state_->file.segment_of(address);
    if (segment == nullptr || !segment->executable) return std::nullopt;
    const std::uint64_t segment_end = segment->address + segment->file_size;
    const auto clamped = [&](std::uint64_t start, std::uint64_t size) { return std::pair(start, start + std::min(size, segment_end - start)); };
    if (const Extent* extent = state_->covering(address, true); extent != nullptr && extent->start >= segment->address) {
        return clamped(extent->start, extent->size);
    }
    const auto& index = state_->file.frame_index();
    if (!index) return std::nullopt;
    const auto bytes_at = [this](std::uint64_t at, std::size_t size) { return state_->bytes_at(at, size); };
    const auto frame = find_frame(bytes_at, index->p_vaddr, index->p_filesz, address);
    if (!frame || frame->start < segment->address || frame->start > address) return std::nullopt;
    return clamped(frame->start, frame->size);
}

std::span<const std::byte> ElfImage::bytes_at(std::uint64_t address, std::size_t size) const { return state_->bytes_at(address, size); }

std::optional<std::uint64_t> ElfImage::offset_of(std::uint64_t address) const {
    const ElfSegment* segment = state_->file.segment_of(address);
    if (segment == nullptr) return std::nullopt;
    return segment->offset + (address - segment->address);
}

std::optional<std::uint64_t> ElfImage::address_of(std::uint64_t offset) const {
    for (const ElfSegment& segment : state_->file.segments()) {
        if (offset >= segment.offset && offset - segment.offset < segment.file_size) return segment.address + (offset - segment.offset);
    }
    return std::nullopt;
}

std::optional<ElfSection> ElfImage::section(std::string_view name) const {
    constexpr std::uint64_t most_bytes = 1U << 20;
    std::optional<ElfFile::Section> found = state_->file.section(name, most_bytes);
    if (!found) return std::nullopt;
    return ElfSection{found->address, std::move(found->bytes)};
}

bool ElfImage::has_section(std::string_view name) const { return state_->file.has_section(name); }

bool ElfImage::position_independent() const { return state_->file.header().e_type == ET_DYN; }

std::uint64_t ElfImage::entry_point() const { return state_->file.header().e_entry; }

std::optional<std::string> ElfImage::describe(std::uint64_t address) const {
    const Extent* extent = state_->covering(address, false);
    if (extent == nullptr) return std::nullopt;
    if (address == extent->start) return std::string(extent->name);
    return fmt::format("{}+0x{:x}", extent->name, address - extent->start);
}

}  // namespace memtrace
