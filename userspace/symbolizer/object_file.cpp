#include "symbolizer/object_file.hpp"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

namespace memtrace {
namespace {

constexpr off_t kMaxFileBytes = off_t{4} << 30;
constexpr std::uint64_t kMaxDecompressedBytes = std::uint64_t{256} << 20;

// The old GNU format: section .zdebug_x begins with "ZLIB" and the size as eight bytes, the highest first.
std::optional<std::uint64_t> gnu_decompressed_bytes(Elf_Scn* section) {
    const Elf_Data* data = elf_rawdata(section, nullptr);
    if (data == nullptr || data->d_buf == nullptr || data->d_size < 12) return std::nullopt;
    const auto* bytes = static_cast<const unsigned char*>(data->d_buf);
    std::uint64_t size = 0;
    for (int i = 4; i < 12; ++i) size = size << 8 | bytes[i];
    return size;
}

// How much memory libdw would take for this section when it is compressed; nothing when that cannot be told.
std::optional<std::uint64_t> decompressed_bytes(Elf* elf, Elf_Scn* section, std::size_t names) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) return std::nullopt;
    if ((header.sh_flags & SHF_COMPRESSED) != 0) {
        GElf_Chdr compressed;
        if (gelf_getchdr(section, &compressed) == nullptr) return std::nullopt;
        return compressed.ch_size;
    }
    const char* name = elf_strptr(elf, names, header.sh_name);
    const bool gnu_format = name != nullptr && std::string_view(name).starts_with(".zdebug");
    return gnu_format ? gnu_decompressed_bytes(section) : 0;
}

// The bytes that its compressed sections will take.
Result<std::uint64_t> checked_contents(Elf* elf, ObjectFile::Kind kind) {
    GElf_Ehdr header;
    if (elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == nullptr) return Error{"not an ELF file"};
    const bool is_shared_debug = kind == ObjectFile::Kind::shared_debug && header.e_type == ET_REL;
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN && !is_shared_debug) return Error{"neither an executable nor a shared library"};
    std::size_t names = 0;
    if (elf_getshdrstrndx(elf, &names) != 0) return Error{"damaged section headers"};
    std::uint64_t total = 0;
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
        const std::optional<std::uint64_t> size = decompressed_bytes(elf, section, names);
        if (!size) return Error{"a damaged section"};
        // Compared before adding: the sum of two hostile sizes may wrap.
        if (*size > kMaxDecompressedBytes - total) return Error{"its compressed sections would take more than 256 MiB of memory"};
        total += *size;
    }
    return total;
}

}  // namespace

UniqueFd mark_file(int directory, const std::string& path) { return UniqueFd(::openat(directory, path.c_str(), O_PATH | O_CLOEXEC)); }

UniqueFd mark_file_in_root(const UniqueFd& root, const std::string& path) {
    if (!root) return {};
    open_how how = {};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    return UniqueFd(static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
}

Result<ObjectFile> ObjectFile::open(const UniqueFd& marked, Kind kind) {
    struct stat status;
    if (!marked || ::fstat(marked.get(), &status) != 0) return Error{"no such file"};
    if (!S_ISREG(status.st_mode)) return Error{"not a regular file"};
    if (status.st_size > kMaxFileBytes) return Error{"larger than 4 GiB"};
    // Without O_NONBLOCK the open waits while someone holds a lease on the file.
    const std::string path = "/proc/self/fd/" + std::to_string(marked.get());
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (!fd) return errno_error("cannot open", errno);

    elf_version(EV_CURRENT);
    Elf* elf = elf_begin(fd.get(), ELF_C_READ_MMAP, nullptr);
    if (elf == nullptr) return Error{std::string("libelf: ") + elf_errmsg(-1)};
    ObjectFile file(std::move(fd), elf);
    Result<std::uint64_t> bytes = checked_contents(elf, kind);
    if (!bytes) return std::move(bytes).error();
    file.decompressed_bytes_ = *bytes;
    return file;
}

std::span<const std::byte> ObjectFile::build_id() const {
    const void* bytes = nullptr;
    const ssize_t size = dwelf_elf_gnu_build_id(elf_.get(), &bytes);
    return size > 0 ? std::span(static_cast<const std::byte*>(bytes), static_cast<std::size_t>(size)) : std::span<const std::byte>();
}

bool ObjectFile::has_section(const char* name) const {
    std::size_t names = 0;
    if (elf_getshdrstrndx(elf_.get(), &names) != 0) return false;
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf_.get(), section)) != nullptr;) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == nullptr || header.sh_type == SHT_NOBITS) continue;
        const char* candidate = elf_strptr(elf_.get(), names, header.sh_name);
        if (candidate != nullptr && std::strcmp(candidate, name) == 0) return true;
    }
    return false;
}

}  // namespace memtrace
