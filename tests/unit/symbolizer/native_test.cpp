// Names of real programs' calls, with and without debug information, and in every place debug information may be.
#include "symbolizer/native.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/maps.hpp"
#include "support/catch.hpp"
#include "unit/symbolizer/target_program.hpp"

using memtrace::NativeLocation;
using memtrace::NativeSymbolizer;
using namespace memtrace::test;

namespace {

/// kCxxProgram compiled with `flags` to DIRECTORY/program.
std::string cxx_program(const TemporaryDirectory& directory, const std::string& flags) {
    write_file(directory / "program.cpp", kCxxProgram);
    compile(directory / "program.cpp", flags, directory / "program");
    return directory / "program";
}

void check_sites(const Target& target, NativeSymbolizer& symbolizer, const std::string& source, const std::string& program) {
    const auto check = [&](const std::string& site, const std::string& function) {
        INFO(site);
        const NativeLocation location = symbolizer.resolve(target.site(site).address);
        CHECK(location.file == source);
        CHECK(location.line == target.site(site).line);
        CHECK(location.function == function);
        CHECK(location.module == program);
        CHECK(location.resolved);
    };
    check("plain", "shop::put(int)");
    check("inlined", "shop::inner(int)");
    check("hidden", "hidden");  // the debug information has only this name for an inlined static function
    check("template", "unsigned long shop::typed<unsigned long>(unsigned long)");
    check("lambda", "main::{lambda(int)#1}::operator()(int) const");
}

}  // namespace

RULE("a call in a program with debug information has its own file, line and innermost function") {
    for (const char* flags : {"-g -O0", "-g -O2", "-g -O2 -no-pie", "-gdwarf-4 -O2", "-g -O2 -gz=zlib", "-g -O2 -flto"}) {
        INFO(flags);
        TemporaryDirectory directory;
        const std::string program = cxx_program(directory, flags);
        Target target({program});
        NativeSymbolizer symbolizer(target.pid());
        check_sites(target, symbolizer, directory / "program.cpp", program);
    }
}

RULE("debug information without an index of address ranges is read all the same, as clang writes it") {
    if (!run("command -v clang")) skip("no clang on this machine");
    TemporaryDirectory directory;
    write_file(directory / "program.c", kCProgram);
    REQUIRE(run("clang -g -O1 '" + (directory / "program.c") + "' -o '" + (directory / "program") + "'"));
    Target target({directory / "program"});
    NativeSymbolizer symbolizer(target.pid());
    const NativeLocation location = symbolizer.resolve(target.site("plain").address);
    CHECK(location.file == directory / "program.c");
    CHECK(location.line == target.site("plain").line);
    CHECK(location.function == "plain");
}

RULE("a source path that the compiler was given relative to its directory becomes absolute") {
    TemporaryDirectory directory;
    REQUIRE(::mkdir((directory / "src").c_str(), 0700) == 0);
    REQUIRE(::mkdir((directory / "obj").c_str(), 0700) == 0);
    write_file(directory / "src/program.c", kCProgram);
    if (!run("command -v gcc")) skip("no gcc on this machine");
    REQUIRE(run("cd '" + (directory / "obj") + "' && gcc -g ../src/./program.c -o ../program"));
    Target target({directory / "program"});
    NativeSymbolizer symbolizer(target.pid());
    CHECK(symbolizer.resolve(target.site("plain").address).file == directory / "src/program.c");
}

RULE("without debug information a call has the object file's name and its symbol plus the distance") {
    TemporaryDirectory directory;
    write_file(directory / "program.c", kCProgram);
    compile(directory / "program.c", "-O1", directory / "program");
    Target target({directory / "program"});
    NativeSymbolizer symbolizer(target.pid());
    const NativeLocation location = symbolizer.resolve(target.site("plain").address);
    CHECK(location.file == "program");
    CHECK(location.line == 0);
    CHECK(location.function.find("plain+0x") == 0);
    CHECK(location.module == directory / "program");
    CHECK(location.resolved);
}

RULE("a stripped program leaves the object file's name and the offset in it") {
    TemporaryDirectory directory;
    write_file(directory / "program.c", kCProgram);
    compile(directory / "program.c", "-O1 -s", directory / "program");
    Target target({directory / "program"});
    NativeSymbolizer symbolizer(target.pid());
    const NativeLocation location = symbolizer.resolve(target.site("plain").address);
    CHECK(location.file == "program");
    CHECK(location.function.find("0x1") == 0);
    CHECK_FALSE(location.resolved);
}

RULE("a stripped program finds its separate debug file through the link, proved by build-id or checksum") {
    for (const char* build_id : {"-Wl,--build-id=sha1", "-Wl,--build-id=none"}) {
        for (const char* place : {"", ".debug/"}) {
            INFO(build_id << " " << place);
            TemporaryDirectory directory;
            const std::string program = cxx_program(directory, std::string("-g -O2 ") + build_id);
            if (!run("command -v objcopy")) skip("no objcopy on this machine");
            const std::string debug = directory / (std::string(place) + "program.debug");
            ::mkdir((directory / ".debug").c_str(), 0700);
            REQUIRE(run("objcopy --only-keep-debug '" + program + "' '" + debug + "' && strip '" + program + "' && objcopy --add-gnu-debuglink='" +
                        debug + "' '" + program + "'"));
            Target target({program});
            NativeSymbolizer symbolizer(target.pid());
            check_sites(target, symbolizer, directory / "program.cpp", program);
        }
    }
}

RULE("a debug file that belongs to another program is not believed") {
    for (const char* build_id : {"-Wl,--build-id=sha1", "-Wl,--build-id=none"}) {
        INFO(build_id);
        TemporaryDirectory directory;
        const std::string program = cxx_program(directory, std::string("-g -O2 ") + build_id);
        if (!run("command -v objcopy")) skip("no objcopy on this machine");
        REQUIRE(run("cd '" + (directory / "") +
                    "' && objcopy --only-keep-debug program program.debug && strip program && "
                    "objcopy --add-gnu-debuglink=program.debug program && "
                    "g++ -g -O0 -DOTHER " +
                    build_id + " program.cpp -o other && objcopy --only-keep-debug other program.debug"));
        Target target({program});
        NativeSymbolizer symbolizer(target.pid());
        CHECK(symbolizer.resolve(target.site("plain").address).line == 0);
    }
}

RULE("the C library's debug file is found by its build-id") {
    if (::access("/usr/lib/debug/.build-id", R_OK) != 0) skip("no /usr/lib/debug/.build-id (Debian: libc6-dbg)");
    TemporaryDirectory directory;
    const std::string program = cxx_program(directory, "-g");
    Target target({program});
    NativeSymbolizer symbolizer(target.pid());
    // We and the target share the very libc, at different addresses. (&std::qsort might be a sanitizer's.)
    void* library = ::dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    REQUIRE(library != nullptr);
    void* qsort_code = ::dlsym(library, "qsort");
    Dl_info info;
    REQUIRE(::dladdr(qsort_code, &info) != 0);
    const std::uint64_t offset = reinterpret_cast<std::uint64_t>(qsort_code) - reinterpret_cast<std::uint64_t>(info.dli_fbase);
    ::dlclose(library);
    std::uint64_t base = 0;
    const auto mappings = memtrace::read_maps(target.pid());
    REQUIRE(mappings);
    for (const memtrace::Mapping& mapping : *mappings) {
        if (base == 0 && mapping.path.ends_with("/libc.so.6")) base = mapping.start;
    }
    REQUIRE(base != 0);
    const NativeLocation location = symbolizer.resolve(base + offset + 8);
    if (location.line == 0) skip("the debug file of this libc is not installed (Debian: libc6-dbg)");
    CHECK(location.file.find("msort.c") != std::string::npos);
    CHECK(location.function.find("qsort") != std::string::npos);
}

RULE("a program deleted while it runs keeps its names, also when another file takes its path") {
    TemporaryDirectory directory;
    const std::string program = cxx_program(directory, "-g -O2");
    Target target({program});
    NativeSymbolizer early(target.pid());
    REQUIRE(::unlink(program.c_str()) == 0);
    check_sites(target, early, directory / "program.cpp", program);
    write_file(program, "something else");
    if (::geteuid() != 0) skip("only root may open the files of deleted mappings that it did not hold before");
    NativeSymbolizer late(target.pid());
    check_sites(target, late, directory / "program.cpp", program);
}

RULE("a program that ended keeps its names for a symbolizer that saw it alive, even when deleted") {
    TemporaryDirectory directory;
    const std::string program = cxx_program(directory, "-g -O2");
    Target target({program});
    NativeSymbolizer symbolizer(target.pid());
    REQUIRE(symbolizer.refresh());
    REQUIRE(::unlink(program.c_str()) == 0);
    target.end();
    check_sites(target, symbolizer, directory / "program.cpp", program);
    CHECK_FALSE(symbolizer.refresh());
    check_sites(target, symbolizer, directory / "program.cpp", program);
}

RULE("a symbolizer made for no process knows no address and says why") {
    NativeSymbolizer symbolizer(0x7ffffffe);
    const NativeLocation location = symbolizer.resolve(0x401000);
    CHECK(location.file == "[unmapped]");
    CHECK(location.function == "0x401000");
    CHECK_FALSE(location.resolved);
    CHECK(symbolizer.refresh().error().what == "no process with pid 2147483646");
}

RULE("a library loaded after the first reading is found when one of its addresses is asked for") {
    TemporaryDirectory directory;
    NativeSymbolizer symbolizer(::getpid());
    write_file(directory / "late.c",
               "void* here(void) { return __builtin_return_address(0); }\n"
               "void* __attribute__((noinline)) late(void) {\n"
               "    void* (*volatile call)(void) = here;\n"
               "    void* a = call(); return a;\n"
               "}\n");
    compile(directory / "late.c", "-g -shared -fPIC", directory / "late.so");
    CHECK(symbolizer.resolve(0x1000).file == "[unmapped]");
    void* library = ::dlopen((directory / "late.so").c_str(), RTLD_NOW);
    REQUIRE(library != nullptr);
    auto* late = reinterpret_cast<void* (*)()>(::dlsym(library, "late"));
    const auto address = reinterpret_cast<std::uint64_t>(late());
    ::usleep(150'000);  // the address above was in vain, which postpones the next reading
    const NativeLocation location = symbolizer.resolve(address);
    CHECK(location.function == "late");
    CHECK(location.line == 4);
    ::dlclose(library);
    CHECK(symbolizer.resolve(address) == location);
}

RULE("an address where another library took the place of the first gets its new name") {
    TemporaryDirectory directory;
    constexpr std::size_t kBytes = 0x2000;
    constexpr int kCode = PROT_READ | PROT_EXEC;
    void* at = nullptr;
    std::string names[2];
    NativeSymbolizer symbolizer(::getpid());
    for (int i = 0; i < 2; ++i) {
        const std::string name = i == 0 ? "first" : "second";
        write_file(directory / "a.c", "int " + name + "(int a) { return a + 1; }\n");
        // The whole file in one segment: file offsets are addresses.
        compile(directory / "a.c", "-g -shared -nostdlib -Wl,-z,noseparate-code", directory / name);
        const int fd = ::open((directory / name).c_str(), O_RDONLY | O_CLOEXEC);
        at = ::mmap(at, kBytes, kCode, MAP_PRIVATE | (i == 0 ? 0 : MAP_FIXED), fd, 0);
        ::close(fd);
        REQUIRE(at != MAP_FAILED);
        REQUIRE(symbolizer.refresh());
        for (std::uint64_t offset = 1; offset < 0x1000 && names[i].empty(); ++offset) {
            const NativeLocation location = symbolizer.resolve(reinterpret_cast<std::uint64_t>(at) + offset);
            CHECK(location.module == directory / name);
            if (location.line == 1) names[i] = location.function;
        }
    }
    CHECK(names[0] == "first");
    CHECK(names[1] == "second");
    ::munmap(at, kBytes);
}

RULE("closing the files keeps what was resolved, and opens them again for what was not") {
    TemporaryDirectory directory;
    const std::string program = cxx_program(directory, "-g -O2");
    Target target({program});
    NativeSymbolizer symbolizer(target.pid());
    const NativeLocation plain = symbolizer.resolve(target.site("plain").address);
    symbolizer.release();
    CHECK(symbolizer.resolve(target.site("plain").address) == plain);
    check_sites(target, symbolizer, directory / "program.cpp", program);
}
