// Small ELF files for the tests of userspace/probes: code given as hex, functions given by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "probes/elf_image.hpp"
#include "util/unique_fd.hpp"

namespace memtrace::test {

/// "48 85 ff" as bytes.
std::vector<std::byte> hex(std::string_view text);

/// A position-dependent program with one code segment at `base`, and its functions in .symtab or .eh_frame_hdr.
class ElfBuilder {
public:
    static constexpr std::uint64_t base = 0x401000;

    /// Puts `code` at base + `offset`; what lies between is int3. A name makes it a function of that size.
    ElfBuilder& code(std::uint64_t offset, std::string_view code, std::string name = {});
    /// A five-byte jmp, call … (`opcode` e8 or e9) at base + `offset` to base + `target`.
    ElfBuilder& near(std::uint64_t offset, std::string_view opcode, std::uint64_t target, std::string name = {});
    /// Functions are found through .eh_frame_hdr instead of .symtab.
    ElfBuilder& stripped(bool yes = true);
    ElfBuilder& position_independent(bool yes = true);

    [[nodiscard]] std::vector<std::byte> bytes() const;
    /// The file, opened. Asserts that it is accepted.
    [[nodiscard]] ElfImage image() const;

private:
    struct Function {
        std::uint64_t offset = 0;
        std::uint64_t size = 0;
        std::string name;
    };
    void append_frames(std::vector<std::byte>& file, std::uint64_t frames) const;
    std::uint64_t append_symbols(std::vector<std::byte>& file) const;

    std::vector<std::byte> text_;
    std::vector<Function> functions_;
    bool stripped_ = false;
    bool position_independent_ = false;
};

/// A file in memory that others open by path.
class MemoryFile {
public:
    explicit MemoryFile(const std::vector<std::byte>& bytes);
    [[nodiscard]] std::string path() const;
    void truncate(std::size_t size) const;

private:
    UniqueFd fd_;
};

}  // namespace memtrace::test
