// Bounded reading of an ELF file: nothing in it is believed before it was compared with the size of the file.
#include "probes/elf_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace memtrace {
namespace {

// Linkers make four to a dozen; more than this is an attempt to make us read a file many times over.
constexpr std::size_t most_segments = 64;
// Larger parts (debug builds of whole browsers) are treated as absent; a sparse file can claim any size.
constexpr std::uint64_t largest_read = std::uint64_t{1} << 30;
constexpr std::uint64_t most_segment_bytes = 2 * largest_read;
constexpr std::size_t most_sections = 65536;
// Cuts what a table without terminators would make of a million symbols; even mangled names are shorter.
constexpr std::size_t longest_name = 4096;

std::string machine_name(std::uint16_t machine) {
    switch (machine) {
        case EM_386: return "i386";
        case EM_ARM: return "ARM";
        case EM_AARCH64: return "AArch64";
        case EM_RISCV: return "RISC-V";
        case EM_PPC64: return "PowerPC64";
        case EM_S390: return "S/390";
        case EM_MIPS: return "MIPS";
        case EM_LOONGARCH: return "LoongArch";
        default: return fmt::format("machine {}", machine);
    }
}

template <typename T>
std::vector<T> as_records(const std::vector<std::byte>& bytes) {
    std::vector<T> records(bytes.size() / sizeof(T));
    if (!records.empty()) std::memcpy(records.data(), bytes.data(), records.size() * sizeof(T));
    return records;
}

}  // namespace

std::string_view ElfSymbols::name_at(std::uint32_t offset) const {
    if (offset >= names.size()) return {};
    const auto rest = std::string_view(names).substr(offset, longest_name);
    return rest.substr(0, rest.find('\0'));
}

Result<ElfFile> ElfFile::open(const std::string& path, const std::string& name) {
    ElfFile file;
    // O_NONBLOCK: in a directory of the target, a FIFO of that name must not make us wait.
    file.fd_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file.fd_) return errno_error(name + ": cannot be opened", errno);
    struct stat status {};
    if (::fstat(file.fd_.get(), &status) != 0) return errno_error(name + ": cannot be examined", errno);
    if (!S_ISREG(status.st_mode)) return Error{name + ": not a regular file"};
    file.size_ = static_cast<std::uint64_t>(status.st_size);
    if (auto read = file.read_header(name); !read) return std::move(read).error();
    if (auto read = file.read_segments(name); !read) return std::move(read).error();
    return file;
}

Result<void> ElfFile::read_header(const std::string& name) {
    const auto bytes = read(0, sizeof header_);
    if (bytes.size() < SELFMAG || std::memcmp(bytes.data(), ELFMAG, SELFMAG) != 0) return Error{name + ": not an ELF file"};
    if (bytes.size() < sizeof header_) return Error{name + ": truncated inside the ELF header"};
    std::memcpy(&header_, bytes.data(), sizeof header_);
    if (header_.e_ident[EI_CLASS] == ELFCLASS32) return Error{name + ": a 32-bit program, only 64-bit x86-64 can be traced"};
    if (header_.e_ident[EI_CLASS] != ELFCLASS64) return Error{name + ": neither 32-bit nor 64-bit, a damaged ELF file"};
    if (header_.e_ident[EI_DATA] != ELFDATA2LSB) return Error{name + ": big-endian, only x86-64 can be traced"};
    if (header_.e_machine != EM_X86_64) {
        return Error{fmt::format("{}: made for {}, only x86-64 can be traced", name, machine_name(header_.e_machine))};
    }
    if (header_.e_type != ET_EXEC && header_.e_type != ET_DYN) return Error{name + ": neither an executable nor a shared library"};
    return {};
}

Result<void> ElfFile::read_segments(const std::string& name) {
    const std::uint64_t table_size = std::uint64_t{header_.e_phnum} * sizeof(Elf64_Phdr);
    if (header_.e_phentsize != sizeof(Elf64_Phdr) && header_.e_phnum > 0) return Error{name + ": program headers of an unknown size"};
    if (!holds(header_.e_phoff, table_size)) return Error{name + ": truncated inside the program headers"};
    const auto table = as_records<Elf64_Phdr>(read(header_.e_phoff, table_size));
    std::uint64_t loaded = 0;
    for (const Elf64_Phdr& entry : table) {
        if (entry.p_type == PT_GNU_EH_FRAME) frame_index_ = entry;
        if (entry.p_type != PT_LOAD || entry.p_filesz == 0) continue;
        if (!holds(entry.p_offset, entry.p_filesz)) {
            return Error{fmt::format("{}: truncated, {} bytes where a segment needs {} from byte {}", name, size_, entry.p_filesz, entry.p_offset)};
        }
        if (entry.p_vaddr + entry.p_filesz < entry.p_vaddr) return Error{name + ": a segment wraps around the address space"};
        if (segments_.size() == most_segments) return Error{fmt::format("{}: more than {} segments", name, most_segments)};
        loaded += entry.p_filesz;
        if (loaded / 2 > size_) return Error{name + ": segments that overlap in the file"};
        segments_.push_back({entry.p_vaddr, entry.p_offset, entry.p_filesz, (entry.p_flags & PF_X) != 0});
    }
    if (segments_.empty()) return Error{name + ": nothing to load in it"};
    return {};
}

bool ElfFile::holds(std::uint64_t offset, std::uint64_t size) const { return offset <= size_ && size <= size_ - offset; }

std::vector<std::byte> ElfFile::read(std::uint64_t offset, std::uint64_t size) const {
    if (offset > size_) return {};
    size = std::min(size, size_ - offset);
    if (size > largest_read) return {};
    std::vector<std::byte> bytes(size);
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got = ::pread(fd_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        done += static_cast<std::size_t>(got);
    }
    bytes.resize(done);
    return bytes;
}

ElfSegment* ElfFile::segment_of(std::uint64_t address) {
    const auto found = std::ranges::find_if(
        segments_, [&](const ElfSegment& segment) { return address >= segment.address && address - segment.address < segment.file_size; });
    return found == segments_.end() ? nullptr : &*found;
}

std::span<const std::byte> ElfFile::bytes_of(ElfSegment& segment) {
    if (!segment.bytes) {
        const bool affordable = segment_bytes_read_ + segment.file_size <= most_segment_bytes;
        segment.bytes = affordable ? read(segment.offset, segment.file_size) : std::vector<std::byte>();
        segment_bytes_read_ += segment.bytes->size();
    }
    return *segment.bytes;
}

std::vector<Elf64_Shdr> ElfFile::section_headers() const {
    if (header_.e_shoff == 0 || header_.e_shentsize != sizeof(Elf64_Shdr)) return {};
    std::uint64_t count = header_.e_shnum;
    if (count == 0) {  // More than fit in 16 bits: the first header holds the number.
        const auto first = as_records<Elf64_Shdr>(read(header_.e_shoff, sizeof(Elf64_Shdr)));
        if (first.empty()) return {};
        count = first.front().sh_size;
    }
    return as_records<Elf64_Shdr>(read(header_.e_shoff, std::min<std::uint64_t>(count, most_sections) * sizeof(Elf64_Shdr)));
}

std::optional<Elf64_Shdr> ElfFile::header_of(std::string_view name, std::uint64_t most_bytes) const {
    const auto sections = section_headers();
    if (header_.e_shstrndx >= sections.size()) return std::nullopt;
    const auto text = read(sections[header_.e_shstrndx].sh_offset, sections[header_.e_shstrndx].sh_size);
    const ElfSymbols names{{}, std::string(reinterpret_cast<const char*>(text.data()), text.size())};
    for (const Elf64_Shdr& section : sections)
        if (names.name_at(section.sh_name) == name && section.sh_size <= most_bytes) return section;
    return std::nullopt;
}

std::optional<ElfFile::Section> ElfFile::section(std::string_view name, std::uint64_t most_bytes) const {
    const std::optional<Elf64_Shdr> found = header_of(name, most_bytes);
    if (!found) return std::nullopt;
    return Section{found->sh_addr, found->sh_type == SHT_NOBITS ? std::vector<std::byte>() : read(found->sh_offset, found->sh_size)};
}

bool ElfFile::has_section(std::string_view name) const { return header_of(name, UINT64_MAX).has_value(); }

ElfSymbols ElfFile::symbols(std::uint32_t section_type) const {
    const auto sections = section_headers();
    const auto table = std::ranges::find(sections, section_type, &Elf64_Shdr::sh_type);
    if (table == sections.end() || table->sh_entsize != sizeof(Elf64_Sym) || table->sh_link >= sections.size()) return {};
    const Elf64_Shdr& strings = sections[table->sh_link];
    if (strings.sh_type != SHT_STRTAB) return {};
    const auto text = read(strings.sh_offset, strings.sh_size);
    return {as_records<Elf64_Sym>(read(table->sh_offset, table->sh_size)), std::string(reinterpret_cast<const char*>(text.data()), text.size())};
}

}  // namespace memtrace
