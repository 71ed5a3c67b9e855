// Targets whose files are made to hurt: everything must come back as an unresolved name, soon, with the tracer alive.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <random>

#include "support/catch.hpp"
#include "symbolizer/bus_guard.hpp"
#include "symbolizer/native.hpp"
#include "symbolizer/object_file.hpp"
#include "unit/symbolizer/target_program.hpp"

using memtrace::NativeLocation;
using memtrace::NativeSymbolizer;
using memtrace::ObjectFile;
using namespace memtrace::test;

namespace {

/// Maps the files named by its arguments as code and tells where.
constexpr const char* kMapper = R"(
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
int main(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        char* at = mmap(0, 1 << 20, PROT_READ | PROT_EXEC, MAP_PRIVATE, open(argv[i], O_RDONLY), 0);
        printf("file%d %p 1\n", i, at + 100);
    }
    char* anonymous = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("anonymous %p 1\n", anonymous + 100);
    puts("ready");
    fflush(stdout);
    getchar();
}
)";

std::string random_bytes(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::string bytes(count, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void compile_mapper(const TemporaryDirectory& directory) {
    write_file(directory / "mapper.c", kMapper);
    compile(directory / "mapper.c", "-O1", directory / "mapper");
}

}  // namespace

RULE("random bytes mapped as code are named by file and offset") {
    TemporaryDirectory directory;
    compile_mapper(directory);
    write_file(directory / "noise", random_bytes(1 << 20, 1));
    write_file(directory / "elfish", "\177ELF\2\1\1" + random_bytes(1 << 20, 2));
    Target target({directory / "mapper", directory / "noise", directory / "elfish"});
    NativeSymbolizer symbolizer(target.pid());
    const NativeLocation noise = symbolizer.resolve(target.site("file1").address);
    CHECK(noise == NativeLocation{"noise", 0, "0x64", directory / "noise", false});
    CHECK(symbolizer.resolve(target.site("file2").address) == NativeLocation{"elfish", 0, "0x64", directory / "elfish", false});
}

RULE("memory without a file is named by its kind") {
    TemporaryDirectory directory;
    compile_mapper(directory);
    Target target({directory / "mapper"});
    NativeSymbolizer symbolizer(target.pid());
    const NativeLocation anonymous = symbolizer.resolve(target.site("anonymous").address);
    CHECK(anonymous.file == "[anon]");
    CHECK(anonymous.module == "[anon]");
    CHECK_FALSE(anonymous.resolved);
    std::ifstream maps("/proc/" + std::to_string(target.pid()) + "/maps");
    for (std::string line; std::getline(maps, line);) {
        if (line.find("[vdso]") == std::string::npos) continue;
        CHECK(symbolizer.resolve(std::stoull(line, nullptr, 16) + 0x123) == NativeLocation{"[vdso]", 0, "0x123", "[vdso]", false});
    }
}

RULE("a fifo, a device or a directory in the place of an object file is refused without opening it") {
    TemporaryDirectory directory;
    REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
    for (const std::string& path : {directory / "fifo", std::string("/dev/zero"), std::string("/tmp")}) {
        INFO(path);
        CHECK(ObjectFile::open(memtrace::mark_file(AT_FDCWD, path)).error().what == "not a regular file");
    }
}

RULE("a fifo that took the path of a running program is not mistaken for it") {
    TemporaryDirectory directory;
    write_file(directory / "program.c", kCProgram);
    compile(directory / "program.c", "-g", directory / "program");
    Target target({directory / "program"});
    REQUIRE(::unlink((directory / "program").c_str()) == 0);
    REQUIRE(::mkfifo((directory / "program").c_str(), 0600) == 0);
    NativeSymbolizer symbolizer(target.pid());
    const NativeLocation location = symbolizer.resolve(target.site("plain").address);
    CHECK(location.module == directory / "program");
    CHECK(location.line == (::geteuid() == 0 ? target.site("plain").line : 0));
}

RULE("fifos in the places where a program's debug file belongs do not hold up the tracer") {
    TemporaryDirectory directory;
    write_file(directory / "program.c", kCProgram);
    compile(directory / "program.c", "-g -O1 -Wl,--build-id=none", directory / "program");
    if (!run("command -v objcopy")) skip("no objcopy on this machine");
    REQUIRE(run("cd '" + (directory / "") +
                "' && objcopy --only-keep-debug program program.debug && strip -g program && "
                "objcopy --add-gnu-debuglink=program.debug program && rm program.debug && mkdir .debug"));
    REQUIRE(::mkfifo((directory / "program.debug").c_str(), 0600) == 0);
    REQUIRE(::mkfifo((directory / ".debug/program.debug").c_str(), 0600) == 0);
    Target target({directory / "program"});
    NativeSymbolizer symbolizer(target.pid());
    CHECK(symbolizer.resolve(target.site("plain").address).function.find("plain+0x") == 0);
}

RULE("a file over 4 GiB and sections that would decompress without end are refused") {
    TemporaryDirectory directory;
    write_file(directory / "program.c", kCProgram);
    compile(directory / "program.c", "-g -gz=zlib", directory / "program");
    CHECK(ObjectFile::open(memtrace::mark_file(AT_FDCWD, directory / "program")));

    // Elf64_Chdr in every compressed section: type 1, four reserved bytes, size.
    std::string bomb = read_file(directory / "program");
    const std::string header("\1\0\0\0\0\0\0\0", 8);
    std::size_t changed = 0;
    for (std::size_t at = bomb.find(header); at != std::string::npos; at = bomb.find(header, at + 1)) {
        if (at + 25 >= bomb.size() || bomb[at + 24] != 'x') continue;  // zlib data begins with 0x78
        bomb.replace(at + 8, 8, std::string("\0\0\0\0\1\0\0\0", 8));
        ++changed;
    }
    REQUIRE(changed > 0);
    write_file(directory / "bomb", bomb);
    CHECK(ObjectFile::open(memtrace::mark_file(AT_FDCWD, directory / "bomb")).error().what.find("256 MiB") != std::string::npos);

    REQUIRE(::truncate((directory / "program").c_str(), (off_t{4} << 30) + 1) == 0);
    CHECK(ObjectFile::open(memtrace::mark_file(AT_FDCWD, directory / "program")).error().what == "larger than 4 GiB");
}

RULE("a program whose debug information is damaged anywhere still resolves or fails in bounded time") {
    TemporaryDirectory directory;
    compile_mapper(directory);
    write_file(directory / "program.cpp", kCxxProgram);
    compile(directory / "program.cpp", "-g -O2 -nostdlib -shared -fPIC", directory / "good.so");
    const std::string good = read_file(directory / "good.so");
    std::mt19937 random(7);
    const auto start = std::chrono::steady_clock::now();
    for (int round = 0; round < 60; ++round) {
        std::string bad = good;
        for (int i = 0; i < 1 + round; ++i) bad[64 + random() % (bad.size() - 64)] = static_cast<char>(random());
        write_file(directory / "bad.so", bad);
        Target target({directory / "mapper", directory / "bad.so"});
        NativeSymbolizer symbolizer(target.pid());
        const std::uint64_t base = target.site("file1").address - 100;
        for (std::uint64_t offset = 0x1000; offset < 0x1400; offset += 7) CHECK(symbolizer.resolve(base + offset).module == directory / "bad.so");
    }
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}

RULE("a file that shrinks while it is read yields zeros instead of ending the tracer") {
    TemporaryDirectory directory;
    write_file(directory / "file", std::string(3 * 4096, 'x'));
    const int fd = ::open((directory / "file").c_str(), O_RDWR | O_CLOEXEC);
    auto* bytes = static_cast<const volatile char*>(::mmap(nullptr, 3 * 4096, PROT_READ, MAP_PRIVATE, fd, 0));
    REQUIRE(::ftruncate(fd, 4096) == 0);
    {
        memtrace::BusGuard guard;
        CHECK(bytes[0] == 'x');
        CHECK(bytes[2 * 4096 + 5] == '\0');
        CHECK(bytes[4096] == '\0');
    }
    ::munmap(const_cast<char*>(bytes), 3 * 4096);
    ::close(fd);
}
