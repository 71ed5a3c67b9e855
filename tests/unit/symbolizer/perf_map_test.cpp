// What just-in-time compilers say of their code, and what a hostile one could.
#include "symbolizer/perf_map.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/catch.hpp"
#include "symbolizer/native.hpp"
#include "symbolizer/object_file.hpp"
#include "unit/symbolizer/target_program.hpp"

using memtrace::NativeLocation;
using memtrace::NativeSymbolizer;
using memtrace::PerfMap;
using memtrace::UniqueFd;
using namespace memtrace::test;

namespace {

// Makes code that calls back, as a JIT does, and writes down what it is called.
constexpr const char* kJit = R"(
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static __attribute__((noinline)) void tell(const char* name, void* address) { printf("%s %p 0\n", name, address); }
int main(void) {
    char* code = mmap(0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    FILE* map = fopen(path, "w");
    fprintf(map, "%lx 40 LazyCompile:~load /srv/shop.js:12\n%lx 40 Builtin:x\n", (unsigned long)code, (unsigned long)code + 0x100);
    fclose(map);
    tell("named", code + 5);
    tell("nameless", code + 0x80);
    puts("ready");
    fflush(stdout);
    getchar();
    unlink(path);
}
)";

std::optional<std::string> found(PerfMap& map, std::uint64_t address) { return map.find(address, UniqueFd()); }

}  // namespace

RULE("each line names a stretch of code; what lies outside of them has no name") {
    PerfMap map(::getpid());
    CHECK(map.add("1000 20 one\n2000 10 two words, 0x\n3000 ") == 34);
    CHECK(found(map, 0xfff) == std::nullopt);
    CHECK(found(map, 0x1000) == "one");
    CHECK(found(map, 0x101f) == "one");
    CHECK(found(map, 0x1020) == std::nullopt);
    CHECK(found(map, 0x2005) == "two words, 0x");
}

RULE("of two entries that overlap the later one is right") {
    PerfMap map(::getpid());
    map.add("1000 100 old\n1100 100 beside\n1080 90 new\n");
    CHECK(found(map, 0x1081) == "new");
    CHECK(found(map, 0x1000) == std::nullopt);
    CHECK(found(map, 0x1190) == std::nullopt);
}

RULE("lines that are none are passed over") {
    PerfMap map(::getpid());
    for (const char* line : {"", "x", "1000", "1000 ", "1000 10", "-1000 10 a", "1000  10 a", "ffffffffffffffff 10 wraps", "1000 0 empty",
                             "11111111111111111111 10 long", "1000 g a"})
        map.add(std::string(line) + "\n");
    CHECK(found(map, 0x1000) == std::nullopt);
    map.add("1000 10 " + std::string(100'000, 'a') + "\n");
    CHECK(found(map, 0x1000)->size() == 512);
}

RULE("entries without end do not fill the memory") {
    PerfMap map(::getpid());
    std::string lines;
    for (int i = 1; i <= 300'000; ++i) lines += std::to_string(i) + "0 1 f\n";
    map.add(lines);
    CHECK(found(map, 0x10) == "f");
    CHECK(found(map, 0x2999990) == std::nullopt);
}

RULE("code that a just-in-time compiler has named is shown by that name, other made-up code as anonymous") {
    TemporaryDirectory directory;
    write_file(directory / "jit.c", kJit);
    compile(directory / "jit.c", "-O1", directory / "jit");
    Target target({directory / "jit"});
    const std::string path = "/tmp/perf-" + std::to_string(target.pid()) + ".map";
    {
        NativeSymbolizer symbolizer(target.pid());
        CHECK(symbolizer.resolve(target.site("named").address) == NativeLocation{"[JIT]", 0, "LazyCompile:~load /srv/shop.js:12", "[anon]", true});
        CHECK(symbolizer.resolve(target.site("nameless").address).file == "[anon]");
        // It grows while the program runs.
        const std::uint64_t later = target.site("nameless").address;
        REQUIRE(run("printf '%x 10 later\\n' " + std::to_string(later - 1) + " >> " + path));
        ::usleep(60'000);
        CHECK(symbolizer.resolve(later).function == "later");
    }
    const auto function = [&] { return NativeSymbolizer(target.pid()).resolve(target.site("named").address).function; };
    const std::string contents = "printf '0 7fffffffffff stolen\\n' > ";
    REQUIRE(run("rm " + path + " && mkfifo " + path));
    CHECK(function().starts_with("0x"));
    REQUIRE(run("rm " + path + " && " + contents + (directory / "elsewhere") + " && ln -s " + (directory / "elsewhere") + " " + path));
    CHECK(function() == "stolen");  // its own file, wherever it lies
    if (::geteuid() == 0) {
        REQUIRE(run("chown 65534 " + (directory / "elsewhere")));
        CHECK(function().starts_with("0x"));
    }
    REQUIRE(run("rm " + path));
}
