// The way back from an equivalent address to the function it stands for, on the Pythons of this machine.
#include "probes/redirect_origin.hpp"

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "probes/elf_file.hpp"
#include "probes/planner.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

constexpr const char* debian_python = "/usr/bin/python3.11";

// Prints "FILE offset..." of the four functions of each allocator table that exists: raw, mem, obj.
constexpr const char* table_printer = R"(
import ctypes
maps = [line.split() for line in open("/proc/self/maps")]
maps = [(*(int(x, 16) for x in m[0].split("-")), int(m[2], 16), m[-1]) for m in maps]
for domain in range(3):
    table = (ctypes.c_void_p * 5)()
    ctypes.pythonapi.PyMem_GetAllocator(domain, table)
    print(*[[m[3], p - m[0] + m[2]] for p in table[1:] for m in maps if m[0] <= p < m[1]][0][:1],
          *[p - m[0] + m[2] for p in table[1:] for m in maps if m[0] <= p < m[1]])
)";

struct Table {
    std::string file;
    std::vector<std::uint64_t> offsets;
};

std::vector<Table> tables_of(const std::string& python) {
    if (!std::filesystem::exists(python)) skip("there is no " + python);
    Child process = run({python, "-c", table_printer});
    INFO(process.transcript());
    REQUIRE(process.wait() == Ending{false, 0});
    std::vector<Table> tables;
    std::istringstream text(process.output());
    for (std::string line; std::getline(text, line);) {
        std::istringstream words(line);
        Table table;
        words >> table.file;
        for (std::uint64_t offset = 0; words >> offset;) table.offsets.push_back(offset);
        REQUIRE(table.offsets.size() == 4);
        tables.push_back(std::move(table));
    }
    REQUIRE(tables.size() == 3);
    return tables;
}

ElfImage open_image(const std::string& path) {
    Result<ElfImage> image = ElfImage::open(path, path);
    if (!image) FAIL(image.error().what);
    return *std::move(image);
}

// Every redirect that could be planned for the tables' functions; requires that each leads back.
std::size_t check_way_back(const std::string& python) {
    std::size_t redirects = 0;
    for (const Table& table : tables_of(python)) {
        const ElfImage image = open_image(table.file);
        for (std::size_t i = 0; i < table.offsets.size(); ++i) {
            const std::optional<std::uint64_t> entry = image.address_of(table.offsets[i]);
            REQUIRE(entry);
            const auto bounds = image.function_bounds(*entry);
            REQUIRE(bounds);
            INFO(table.file << " function " << i << " at " << std::hex << *entry);
            CHECK_FALSE(redirect_origin(image, *entry));
            ProbeRequest request{*entry, bounds->second, static_cast<std::uint8_t>(i == 1 || i == 2 ? 6 : 2), i != 3};
            if (i == 3) request.null_argument = 1;
            for (const Redirect& redirect : plan_redirects(image, request, ProbeCosts::typical())) {
                INFO(redirect.kind << " " << redirect.target);
                CHECK(redirect_origin(image, redirect.target) == *entry);
                ++redirects;
            }
        }
    }
    return redirects;
}

std::vector<std::uint64_t> exported_functions(const std::string& path) {
    Result<ElfFile> file = ElfFile::open(path, path);
    if (!file) FAIL(file.error().what);
    std::vector<std::uint64_t> addresses;
    for (const Elf64_Sym& symbol : file->symbols(SHT_DYNSYM).entries)
        if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx != SHN_UNDEF && symbol.st_value != 0) addresses.push_back(symbol.st_value);
    return addresses;
}

}  // namespace

RULE("every redirect into Debian's Python leads back to the function it stands for") { CHECK(check_way_back(debian_python) >= 8); }

RULE("every redirect into pyenv's Pythons leads back to the function it stands for") {
    const char* home = std::getenv("HOME");
    unsigned found = 0;
    for (const char* version : {"3.8.18", "3.11.7", "3.12.1", "3.13.0"}) {
        const std::string python = std::string(home != nullptr ? home : "/root") + "/.pyenv/versions/" + version + "/bin/python3";
        if (!std::filesystem::exists(python)) continue;
        INFO(python);
        (void)check_way_back(python);
        ++found;
    }
    if (found == 0) skip("no Python of pyenv");
}

RULE("no exported function of Debian's Python is taken for a redirect") {
    if (!std::filesystem::exists(debian_python)) skip(std::string("there is no ") + debian_python);
    const ElfImage image = open_image(debian_python);
    const std::vector<std::uint64_t> functions = exported_functions(debian_python);
    REQUIRE(functions.size() > 1000);
    std::size_t mistaken = 0;
    for (const std::uint64_t function : functions) mistaken += redirect_origin(image, function).has_value();
    CHECK(mistaken == 0);
}

RULE("addresses that hold no code lead nowhere") {
    if (!std::filesystem::exists(debian_python)) skip(std::string("there is no ") + debian_python);
    const ElfImage image = open_image(debian_python);
    for (const std::uint64_t address : {std::uint64_t{0}, std::uint64_t{3}, ~std::uint64_t{0}, std::uint64_t{1} << 63})
        CHECK_FALSE(redirect_origin(image, address));
    for (const CodeView& view : image.code()) CHECK_FALSE(redirect_origin(image, view.end()));
}
