// The raw file under an ElfImage: checked headers, segments that are read when first needed, and symbol tables.
// Private to userspace/probes/elf_*.cpp.
#pragma once

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "util/result.hpp"
#include "util/unique_fd.hpp"

namespace memtrace {

/// One PT_LOAD. `address` + `file_size` does not wrap, and the file held all of it when it was opened.
struct ElfSegment {
    std::uint64_t address = 0;
    std::uint64_t offset = 0;
    std::uint64_t file_size = 0;
    bool executable = false;
    std::optional<std::vector<std::byte>> bytes = {};  ///< Read on first use; shorter when the file shrank.
};

/// The contents of one symbol table and of its strings.
struct ElfSymbols {
    std::vector<Elf64_Sym> entries;
    std::string names;

    /// Empty when `offset` lies outside of the strings.
    [[nodiscard]] std::string_view name_at(std::uint32_t offset) const;
};

/// An open ELF file whose header and program headers were found sound.
class ElfFile {
public:
    static Result<ElfFile> open(const std::string& path, const std::string& name);

    [[nodiscard]] const Elf64_Ehdr& header() const { return header_; }
    [[nodiscard]] std::vector<ElfSegment>& segments() { return segments_; }
    [[nodiscard]] const std::optional<Elf64_Phdr>& frame_index() const { return frame_index_; }  ///< PT_GNU_EH_FRAME.
    /// The segment whose file-backed bytes contain `address`.
    [[nodiscard]] ElfSegment* segment_of(std::uint64_t address);
    /// Its bytes, read now if they were not yet.
    std::span<const std::byte> bytes_of(ElfSegment& segment);
    /// The table of section type SHT_DYNSYM or SHT_SYMTAB; empty when there is none or it is damaged.
    [[nodiscard]] ElfSymbols symbols(std::uint32_t section_type) const;

    struct Section {
        std::uint64_t address = 0;
        std::vector<std::byte> bytes;
    };
    /// The first section of that name, of at most `most_bytes`.
    [[nodiscard]] std::optional<Section> section(std::string_view name, std::uint64_t most_bytes) const;
    [[nodiscard]] bool has_section(std::string_view name) const;

private:
    /// What the file holds of [offset, offset + size): may be shorter.
    [[nodiscard]] std::vector<std::byte> read(std::uint64_t offset, std::uint64_t size) const;
    [[nodiscard]] bool holds(std::uint64_t offset, std::uint64_t size) const;
    [[nodiscard]] std::vector<Elf64_Shdr> section_headers() const;
    [[nodiscard]] std::optional<Elf64_Shdr> header_of(std::string_view name, std::uint64_t most_bytes) const;
    Result<void> read_header(const std::string& name);
    Result<void> read_segments(const std::string& name);

    UniqueFd fd_;
    std::uint64_t size_ = 0;
    Elf64_Ehdr header_{};
    std::vector<ElfSegment> segments_;
    std::uint64_t segment_bytes_read_ = 0;
    std::optional<Elf64_Phdr> frame_index_;
};

}  // namespace memtrace
