// Calls that were inlined into others: each is a frame of its own, with the line it was called on.
#include "support/catch.hpp"
#include "symbolizer/native.hpp"
#include "unit/symbolizer/target_program.hpp"

using memtrace::NativeLocation;
using memtrace::NativeSymbolizer;
using namespace memtrace::test;

namespace {

// Three deep, in two files, and once more in the same function; as C, whose functions have no mangled names.
constexpr const char* kHeader = R"(
static inline __attribute__((always_inline)) void innermost(const char* name) {
    void* a = here(); tell(name, a, __LINE__);
}
)";
constexpr const char* kProgram = R"(
#include <stdio.h>
static __attribute__((noinline, noclone)) void* here(void) { __asm__ volatile(""); return __builtin_return_address(0); }
static __attribute__((noinline)) void tell(const char* name, void* address, int line) { printf("%s %p %d\n", name, address, line); }
#include "header.h"
static inline __attribute__((always_inline)) void middle(const char* name) {
    innermost(name);
}
__attribute__((noinline)) void outer(void) {
    if (getenv) middle("first");
    middle("second");
    innermost("third");
}
int main(void) {
    outer();
    puts("ready");
    fflush(stdout);
    getchar();
}
)";

std::vector<std::string> shown(NativeSymbolizer& symbolizer, std::uint64_t address) {
    std::vector<std::string> frames;
    for (const NativeLocation& location : symbolizer.resolve_all(address))
        frames.push_back(location.file.substr(location.file.rfind('/') + 1) + ":" + std::to_string(location.line) + " " + location.function);
    return frames;
}

using Frames = std::vector<std::string>;

}  // namespace

RULE("a call in inlined functions has a frame for each of them, with the file and line it was called on") {
    for (const char* flags : {"-g -O2 -gdwarf-5", "-g -O2 -gdwarf-4", "-g -O1 -gdwarf-3", "-g -O2 -fomit-frame-pointer", "-g -O2 -gz=zlib"}) {
        INFO(flags);
        TemporaryDirectory directory;
        write_file(directory / "header.h", kHeader);
        write_file(directory / "program.c", std::string("#include <stdlib.h>") + kProgram);
        compile(directory / "program.c", flags, directory / "program");
        Target target({directory / "program"});
        NativeSymbolizer symbolizer(target.pid());
        CHECK(shown(symbolizer, target.site("first").address) == Frames{"header.h:3 innermost", "program.c:7 middle", "program.c:10 outer"});
        CHECK(shown(symbolizer, target.site("second").address) == Frames{"header.h:3 innermost", "program.c:7 middle", "program.c:11 outer"});
        CHECK(shown(symbolizer, target.site("third").address) == Frames{"header.h:3 innermost", "program.c:12 outer"});
        CHECK(symbolizer.resolve(target.site("third").address).function == "innermost");
    }
}

RULE("names of C++ functions are whole ones, for those that were inlined and for the one they were inlined into") {
    TemporaryDirectory directory;
    write_file(directory / "program.cpp", kCxxProgram);
    compile(directory / "program.cpp", "-g -O2", directory / "program");
    Target target({directory / "program"});
    NativeSymbolizer symbolizer(target.pid());
    CHECK(shown(symbolizer, target.site("inlined").address) == Frames{"program.cpp:10 shop::inner(int)", "program.cpp:16 shop::outer()"});
    CHECK(shown(symbolizer, target.site("hidden").address) == Frames{"program.cpp:13 hidden", "program.cpp:17 shop::outer()"});
    CHECK(shown(symbolizer, target.site("plain").address).size() == 1);
}

RULE("a call without debug information is one frame") {
    TemporaryDirectory directory;
    write_file(directory / "program.c", kCProgram);
    compile(directory / "program.c", "-O2", directory / "program");
    Target target({directory / "program"});
    NativeSymbolizer symbolizer(target.pid());
    CHECK(symbolizer.resolve_all(target.site("plain").address).size() == 1);
}

RULE("debug information that dwz has shared between files, and that split off into files of its own, still gives lines") {
    TemporaryDirectory directory;
    write_file(directory / "program.c", kCProgram);
    compile(directory / "program.c", "-g -O1 -gsplit-dwarf", directory / "split");
    compile(directory / "program.c", "-g -O1", directory / "one");
    compile(directory / "program.c", "-g -O2", directory / "two");
    {
        // Whatever lies at the names in the program: it is not opened.
        REQUIRE(run("cd '" + (directory / "") + "' && for f in *.dwo; do rm \"$f\" && mkfifo \"$f\"; done"));
        Target target({directory / "split"});
        NativeSymbolizer symbolizer(target.pid());
        const NativeLocation location = symbolizer.resolve(target.site("plain").address);
        CHECK(location.line == target.site("plain").line);
        CHECK(location.function == "plain");
    }
    if (!run("command -v dwz")) skip("no dwz on this machine: split debug information was tested, shared was not");
    REQUIRE(run("cd '" + (directory / "") + "' && dwz -m '" + (directory / "shared") + "' one two"));
    for (const char* name : {"one", "two"}) {
        Target target({directory / name});
        NativeSymbolizer symbolizer(target.pid());
        CHECK(symbolizer.resolve(target.site("plain").address).line == target.site("plain").line);
    }
}
