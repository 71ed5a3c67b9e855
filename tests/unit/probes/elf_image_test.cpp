// Reading ELF files: what is found in good ones, and that no damage does more than an error.
#include "probes/elf_image.hpp"

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "probes/planner.hpp"
#include "support/catch.hpp"
#include "unit/probes/elf_builder.hpp"

using namespace memtrace;
using memtrace::test::ElfBuilder;
using memtrace::test::MemoryFile;

namespace {

constexpr std::uint64_t base = ElfBuilder::base;
using Bounds = std::optional<std::pair<std::uint64_t, std::uint64_t>>;

ElfBuilder program() {
    return ElfBuilder().code(0, "55 48 89 f8 c3", "first@@VERSION_1").code(0x10, "41 54 c3", "second").code(0x20, "e9 db ff ff ff", "_third");
}

std::string refusal(std::vector<std::byte> bytes) {
    const MemoryFile file(bytes);
    const auto image = ElfImage::open(file.path(), "FILE");
    REQUIRE_FALSE(image);
    return image.error().what;
}

std::string refusal_of(void (*damage)(Elf64_Ehdr&)) {
    auto bytes = program().bytes();
    Elf64_Ehdr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    damage(header);
    std::memcpy(bytes.data(), &header, sizeof header);
    return refusal(bytes);
}

// Asks everything there is to ask of a file, as the tracer would.
void use(const ElfImage& image) {
    for (const std::uint64_t address : {base, base + 0x10, base + 0x21, std::uint64_t{0}, ~std::uint64_t{0}}) {
        (void)image.function_bounds(address);
        (void)image.describe(address);
        (void)image.offset_of(address);
        (void)image.address_of(address);
        (void)image.bytes_at(address, 16);
        (void)plan_probe(image, {address, address + 16, 3, true}, ProbeCosts::typical());
        (void)plan_redirects(image, {address, address + 16, 3, true}, ProbeCosts::typical());
        (void)compared_in_code(image, address);
    }
    (void)image.find_symbol("second");
}

void use(const std::vector<std::byte>& bytes) {
    const MemoryFile file(bytes);
    if (const auto image = ElfImage::open(file.path(), "FILE")) use(*image);
}

}  // namespace

RULE("symbols are found by their name without its version") {
    const ElfImage image = program().image();
    const auto first = image.find_symbol("first");
    REQUIRE(first);
    CHECK(first->address == base);
    CHECK(first->size == 5);
    CHECK(image.find_symbol("second")->address == base + 0x10);
    for (const char* name : {"", "fir", "firstly", "third", "nothing"}) CHECK_FALSE(image.find_symbol(name));
}

RULE("addresses are named by the symbol that covers them") {
    const ElfImage image = program().image();
    CHECK(image.describe(base) == "first");
    CHECK(image.describe(base + 4) == "first+0x4");
    CHECK_FALSE(image.describe(base + 5));
    CHECK_FALSE(image.describe(base - 1));
}

RULE("of several symbols at one address the public name is shown") {
    CHECK(ElfBuilder().code(0, "55 c3", "__libc_f").code(0, "55 c3", "f").code(0, "55 c3", "_f").image().describe(base + 1) == "f+0x1");
}

RULE("function bounds come from symbols, and in stripped files from the unwind table") {
    for (const bool stripped : {false, true}) {
        INFO(stripped);
        const ElfImage image = program().stripped(stripped).image();
        CHECK(image.find_symbol("second").has_value() != stripped);
        CHECK(image.function_bounds(base) == Bounds({base, base + 5}));
        CHECK(image.function_bounds(base + 4) == Bounds({base, base + 5}));
        CHECK_FALSE(image.function_bounds(base + 5));
        CHECK(image.function_bounds(base + 0x12) == Bounds({base + 0x10, base + 0x13}));
        CHECK(image.function_bounds(base + 0x24) == Bounds({base + 0x20, base + 0x25}));
        CHECK_FALSE(image.function_bounds(base + 0x25));
        CHECK_FALSE(image.function_bounds(base - 1));
    }
}

RULE("addresses and places in the file convert into each other") {
    const ElfImage image = program().image();
    CHECK(image.offset_of(base + 3) == 0x1003);
    CHECK(image.address_of(0x1003) == base + 3);
    CHECK_FALSE(image.offset_of(base - 1));
    CHECK_FALSE(image.address_of(0));
    CHECK(image.entry_point() == base);
    CHECK_FALSE(image.position_independent());
    CHECK(image.bytes_at(base, 1)[0] == std::byte{0x55});
    CHECK(image.bytes_at(base + 0x24, 1).size() == 1);
    CHECK(image.bytes_at(base + 0x24, 2).empty());
    CHECK(image.bytes_at(base + 0x25, 0).empty());
    REQUIRE(image.code().size() == 1);
    CHECK(image.code()[0].end() == base + 0x25);
}

RULE("what is no traceable ELF file is refused, saying what it is") {
    CHECK(ElfImage::open("/nonexistent", "FILE").error().what == "FILE: cannot be opened: No such file or directory");
    CHECK(ElfImage::open("/", "FILE").error().what == "FILE: not a regular file");
    CHECK(refusal({}) == "FILE: not an ELF file");
    CHECK(refusal(test::hex("23 21 2f 62 69 6e 2f 73 68 0a")) == "FILE: not an ELF file");
    CHECK(refusal(test::hex("7f 45 4c 46 02 01")) == "FILE: truncated inside the ELF header");
    CHECK(refusal_of([](Elf64_Ehdr& h) { h.e_ident[EI_CLASS] = ELFCLASS32; }) == "FILE: a 32-bit program, only 64-bit x86-64 can be traced");
    CHECK(refusal_of([](Elf64_Ehdr& h) { h.e_ident[EI_DATA] = ELFDATA2MSB; }) == "FILE: big-endian, only x86-64 can be traced");
    CHECK(refusal_of([](Elf64_Ehdr& h) { h.e_machine = EM_AARCH64; }) == "FILE: made for AArch64, only x86-64 can be traced");
    CHECK(refusal_of([](Elf64_Ehdr& h) { h.e_machine = 4711; }) == "FILE: made for machine 4711, only x86-64 can be traced");
    CHECK(refusal_of([](Elf64_Ehdr& h) { h.e_type = ET_CORE; }) == "FILE: neither an executable nor a shared library");
    CHECK(refusal_of([](Elf64_Ehdr& h) { h.e_phoff = ~0ull - 8; }) == "FILE: truncated inside the program headers");
    CHECK(refusal_of([](Elf64_Ehdr& h) { h.e_phnum = 0; }) == "FILE: nothing to load in it");
    auto shortened = program().bytes();
    shortened.resize(0x1010);
    CHECK(refusal(shortened) == "FILE: truncated, 4112 bytes where a segment needs 37 from byte 4096");
}

RULE("a FIFO in place of the file is refused instead of waited for") {
    const std::string path = "/tmp/memtrace-elf-image-test." + std::to_string(::getpid());
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK(ElfImage::open(path, "FILE").error().what == "FILE: not a regular file");
    ::unlink(path.c_str());
}

RULE("a file that shrinks after it was opened gives less, not a fault") {
    const MemoryFile file(program().bytes());
    const auto image = ElfImage::open(file.path(), "FILE");
    REQUIRE(image);
    file.truncate(0x1010);
    CHECK(image->bytes_at(base, 4).size() == 4);
    CHECK(image->bytes_at(base + 0x10, 1).empty());
    CHECK(image->code()[0].bytes.size() == 0x10);
    use(*image);
    const auto truncated_at_once = ElfImage::open(MemoryFile(program().bytes()).path(), "FILE");
    REQUIRE(truncated_at_once);
}

RULE("a file cut off anywhere is harmless") {
    for (const bool stripped : {false, true}) {
        const auto whole = program().stripped(stripped).bytes();
        for (std::size_t size = 0; size < whole.size(); size += size < 0x120 || size > 0x1f00 ? 1 : 64) {
            use(std::vector(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
        }
    }
}

RULE("random damage to headers, symbols, unwind table and code is harmless") {
    std::mt19937 random(20240607);  // fixed: a failure can be repeated
    for (const bool stripped : {false, true}) {
        const auto whole = program().stripped(stripped).bytes();
        std::vector<std::size_t> meaningful;  // everything but the zeros that fill pages
        for (std::size_t i = 0; i < whole.size(); ++i) {
            if (i < 0x120 || (i >= 0x1000 && i < 0x1030) || i >= 0x2000) meaningful.push_back(i);
        }
        for (int round = 0; round < 1500; ++round) {
            auto damaged = whole;
            for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips) {
                damaged[meaningful[random() % meaningful.size()]] = static_cast<std::byte>(random() % 3 == 0 ? 0xff : random());
            }
            use(damaged);
        }
    }
}
