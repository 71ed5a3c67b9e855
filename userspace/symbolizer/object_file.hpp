// Opening the ELF files behind a target's code. Their names and contents are chosen by the target: an open must never
// block, never wake a device, and never let libelf allocate without bound.
#pragma once

#include <libelf.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "util/result.hpp"
#include "util/unique_fd.hpp"

namespace memtrace {

/// Marks a file without opening it (O_PATH): no side effect on fifos and devices, survives deletion. None on failure.
/// `directory` may be AT_FDCWD. Symbolic links are followed, from the tracer's own root.
UniqueFd mark_file(int directory, const std::string& path);

/// The same below `root`, as a process sees it that has `root` for its "/" (openat2, RESOLVE_IN_ROOT).
UniqueFd mark_file_in_root(const UniqueFd& root, const std::string& path);

/// An ELF executable, shared library or debug file.
class ObjectFile {
public:
    enum class Kind : bool {
        program,      ///< Or its own debug file.
        shared_debug  ///< What dwz has taken out of several: it calls that a relocatable file.
    };
    /// Refuses what is not a regular file, files over 4 GiB, other kinds of ELF, and debug sections that would
    /// decompress to more than 256 MiB (libdw keeps them in memory).
    static Result<ObjectFile> open(const UniqueFd& marked, Kind kind = Kind::program);

    [[nodiscard]] Elf* elf() const { return elf_.get(); }
    [[nodiscard]] int fd() const { return fd_.get(); }
    /// Empty when the file has none. Lives as long as the file.
    [[nodiscard]] std::span<const std::byte> build_id() const;
    /// What libdw allocates for the compressed sections.
    [[nodiscard]] std::uint64_t decompressed_bytes() const { return decompressed_bytes_; }
    /// The section exists and has contents here (a stripped file's debug file has most of them without).
    [[nodiscard]] bool has_section(const char* name) const;

private:
    struct EndElf {
        void operator()(Elf* elf) const { elf_end(elf); }
    };
    ObjectFile(UniqueFd fd, Elf* elf) : fd_(std::move(fd)), elf_(elf) {}

    UniqueFd fd_;
    std::unique_ptr<Elf, EndElf> elf_;  // after fd_: closed before it
    std::uint64_t decompressed_bytes_ = 0;
};

}  // namespace memtrace
