// One ELF file of the target, read into memory as it is asked for: its symbols, code bytes and function bounds.
// Everything in it is hostile, and it may shrink while we read (which is why it is not mapped: a mapping would raise SIGBUS).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "util/result.hpp"

namespace memtrace {

/// A run of machine code: `bytes` start at `address`, an address as the file's program headers give it (not yet biased).
struct CodeView {
    std::span<const std::byte> bytes;
    std::uint64_t address = 0;
    [[nodiscard]] std::uint64_t end() const { return address + bytes.size(); }
    [[nodiscard]] bool contains(std::uint64_t at) const { return at >= address && at < end(); }
};

struct ElfSymbol {
    std::string name;
    std::uint64_t address = 0;
    std::uint64_t size = 0;
};

struct ElfSection {
    std::uint64_t address = 0;
    std::vector<std::byte> bytes;
};

/// Move-only owner of the open file and of what was read from it; the spans it hands out live as long as it does.
/// Addresses are link-time virtual addresses; offsets are places in the file. One thread at a time: queries read lazily.
class ElfImage {
public:
    /// `path` is opened as given (callers pass /proc/PID/map_files or /proc/PID/root paths); `name` is what errors call it.
    /// 64-bit x86-64 executables and shared libraries only; refuses others, saying what the file is.
    static Result<ElfImage> open(const std::string& path, std::string name);
    ElfImage(ElfImage&&) noexcept;
    ElfImage& operator=(ElfImage&&) noexcept;
    ~ElfImage();

    [[nodiscard]] const std::string& name() const;
    /// First defined symbol of that exact name in .dynsym, then .symtab; versioned names (malloc@@GLIBC_2.2.5) match by base name.
    [[nodiscard]] std::optional<ElfSymbol> find_symbol(std::string_view symbol) const;
    /// The same of many names at once, in their order: one look at each symbol of the file.
    [[nodiscard]] std::vector<std::optional<ElfSymbol>> find_symbols(std::span<const std::string> symbols) const;
    /// The name of the function or object whose address the loader stores at `slot` (.rela.plt, .rela.dyn).
    [[nodiscard]] std::optional<std::string> import_at(std::uint64_t slot) const;
    /// All executable PT_LOAD segments, as far as the file backs them.
    [[nodiscard]] std::vector<CodeView> code() const;
    /// Start of the function that contains `address` and its end (exclusive), from symbols, else from .eh_frame_hdr; the end
    /// is never beyond the code segment. Padding between functions belongs to none.
    [[nodiscard]] std::optional<std::pair<std::uint64_t, std::uint64_t>> function_bounds(std::uint64_t address) const;
    /// File-backed bytes at a virtual address (any PT_LOAD); empty when out of range.
    [[nodiscard]] std::span<const std::byte> bytes_at(std::uint64_t address, std::size_t size) const;
    [[nodiscard]] std::optional<std::uint64_t> offset_of(std::uint64_t address) const;
    [[nodiscard]] std::optional<std::uint64_t> address_of(std::uint64_t offset) const;
    /// The section of that name, read anew; nothing when there is none or it has more than 1 MiB.
    [[nodiscard]] std::optional<ElfSection> section(std::string_view name) const;
    [[nodiscard]] bool has_section(std::string_view name) const;
    [[nodiscard]] bool position_independent() const;  ///< ET_DYN.
    [[nodiscard]] std::uint64_t entry_point() const;  ///< e_entry.
    /// Name of the nearest symbol at or below `address`, as "symbol+0x1f" ("symbol" at its start), if any covers it.
    [[nodiscard]] std::optional<std::string> describe(std::uint64_t address) const;

private:
    struct State;
    explicit ElfImage(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace memtrace
