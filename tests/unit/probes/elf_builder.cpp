// Writes the ELF structures by hand, so that tests can damage every byte of them.
#include "unit/probes/elf_builder.hpp"

#include <elf.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "support/catch.hpp"

namespace memtrace::test {
namespace {

constexpr std::uint64_t text_offset = 0x1000;

void append_raw(std::vector<std::byte>& out, const void* bytes, std::size_t size) {
    const std::size_t at = out.size();
    out.resize(at + size);
    std::memcpy(out.data() + at, bytes, size);
}

template <typename T>
void append(std::vector<std::byte>& out, const T& value) {
    append_raw(out, &value, sizeof value);
}

template <typename T>
void put(std::vector<std::byte>& out, std::size_t at, const T& value) {
    std::memcpy(out.data() + at, &value, sizeof value);
}

Elf64_Phdr segment(std::uint32_t type, std::uint32_t flags, std::uint64_t offset, std::uint64_t address, std::uint64_t size) {
    return {type, flags, offset, address, address, size, size, 0x1000};
}

}  // namespace

std::vector<std::byte> hex(std::string_view text) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i + 1 < text.size();) {
        if (text[i] == ' ') {
            ++i;
            continue;
        }
        bytes.push_back(static_cast<std::byte>(std::strtoul(std::string(text.substr(i, 2)).c_str(), nullptr, 16)));
        i += 2;
    }
    return bytes;
}

ElfBuilder& ElfBuilder::code(std::uint64_t offset, std::string_view code, std::string name) {
    const auto bytes = hex(code);
    if (text_.size() < offset + bytes.size()) text_.resize(offset + bytes.size(), std::byte{0xcc});
    std::memcpy(text_.data() + offset, bytes.data(), bytes.size());
    if (!name.empty()) functions_.push_back({offset, bytes.size(), std::move(name)});
    return *this;
}

ElfBuilder& ElfBuilder::near(std::uint64_t offset, std::string_view opcode, std::uint64_t target, std::string name) {
    const auto size = hex(opcode).size() + 4;
    const auto distance = static_cast<std::uint32_t>(target - (offset + size));
    std::string text(opcode);
    for (const unsigned shift : {0, 8, 16, 24}) text += fmt::format(" {:02x}", distance >> shift & 0xff);
    return code(offset, text, std::move(name));
}

ElfBuilder& ElfBuilder::stripped(bool yes) {
    stripped_ = yes;
    return *this;
}

ElfBuilder& ElfBuilder::position_independent(bool yes) {
    position_independent_ = yes;
    return *this;
}

// The table, then one entry {length, CIE pointer, start, size} a function. `frames` is where all of it is loaded.
void ElfBuilder::append_frames(std::vector<std::byte>& file, std::uint64_t frames) const {
    const auto count = static_cast<std::uint32_t>(functions_.size());
    const std::uint64_t entries = frames + 12 + count * 8;
    append(file, std::uint32_t{0x3b031b01});
    append(file, static_cast<std::uint32_t>(entries - (frames + 4)));
    append(file, count);
    for (std::uint32_t i = 0; i < count; ++i) {
        append(file, static_cast<std::int32_t>(base + functions_[i].offset - frames));
        append(file, static_cast<std::int32_t>(entries + i * 16 - frames));
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        append(file, std::uint32_t{12});
        append(file, std::uint32_t{0});
        append(file, static_cast<std::int32_t>(base + functions_[i].offset - (entries + i * 16 + 8)));
        append(file, static_cast<std::uint32_t>(functions_[i].size));
    }
}

// Symbols, their names, and the section headers that lead to both, whose place is returned.
std::uint64_t ElfBuilder::append_symbols(std::vector<std::byte>& file) const {
    std::string names(1, '\0');
    const std::uint64_t symbols_offset = file.size();
    append(file, Elf64_Sym{});
    for (const Function& function : functions_) {
        const auto name = static_cast<std::uint32_t>(names.size());
        append(file, Elf64_Sym{name, ELF64_ST_INFO(STB_LOCAL, STT_FUNC), 0, 1, base + function.offset, function.size});
        names += function.name + '\0';
    }
    const std::uint64_t names_offset = file.size();
    append_raw(file, names.data(), names.size());

    const std::uint64_t sections_offset = file.size();
    append(file, Elf64_Shdr{});
    append(file, Elf64_Shdr{0, SHT_SYMTAB, 0, 0, symbols_offset, names_offset - symbols_offset, 2, 0, 8, sizeof(Elf64_Sym)});
    append(file, Elf64_Shdr{0, SHT_STRTAB, 0, 0, names_offset, names.size(), 0, 0, 1, 0});
    return sections_offset;
}

std::vector<std::byte> ElfBuilder::bytes() const {
    std::vector<std::byte> file(text_offset);
    append_raw(file, text_.data(), text_.size());
    file.resize((file.size() + 0xfff) & ~std::size_t{0xfff});
    const std::uint64_t frames_offset = file.size();
    const std::uint64_t frames = base - text_offset + frames_offset;
    append_frames(file, frames);
    const std::uint64_t frames_size = file.size() - frames_offset;
    const std::uint64_t sections_offset = append_symbols(file);

    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = position_independent_ ? ET_DYN : ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_entry = base;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 3;
    header.e_shoff = stripped_ ? 0 : sections_offset;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = stripped_ ? 0 : 3;
    put(file, 0, header);
    put(file, sizeof header, segment(PT_LOAD, PF_R | PF_X, text_offset, base, text_.size()));
    put(file, sizeof header + sizeof(Elf64_Phdr), segment(PT_LOAD, PF_R, frames_offset, frames, frames_size));
    put(file, sizeof header + 2 * sizeof(Elf64_Phdr), segment(stripped_ ? PT_GNU_EH_FRAME : PT_NULL, PF_R, frames_offset, frames, frames_size));
    return file;
}

ElfImage ElfBuilder::image() const {
    const MemoryFile file(bytes());
    auto image = ElfImage::open(file.path(), "crafted");
    REQUIRE(image);
    return *std::move(image);
}

MemoryFile::MemoryFile(const std::vector<std::byte>& bytes) : fd_(::memfd_create("crafted", MFD_CLOEXEC)) {
    REQUIRE(fd_);
    REQUIRE(::write(fd_.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

std::string MemoryFile::path() const { return fmt::format("/proc/self/fd/{}", fd_.get()); }

void MemoryFile::truncate(std::size_t size) const { REQUIRE(::ftruncate(fd_.get(), static_cast<off_t>(size)) == 0); }

}  // namespace memtrace::test
