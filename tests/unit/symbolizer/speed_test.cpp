// What naming costs: many addresses of a program with debug information, then the same again.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>

#include "process/info.hpp"
#include "support/catch.hpp"
#include "symbolizer/native.hpp"
#include "unit/symbolizer/target_program.hpp"

using memtrace::NativeSymbolizer;
using namespace memtrace::test;

namespace {

constexpr int kFunctions = 2500;
constexpr int kCallsEach = 4;

// Each function makes four calls, on lines of their own.
std::string program_text() {
    std::string text =
        "#include <cstdio>\n"
        "static __attribute__((noinline, noclone)) void* here() { asm volatile(\"\"); return __builtin_return_address(0); }\n"
        "static void tell(int n, void* a, int line) { std::printf(\"s%d %p %d\\n\", n, a, line); }\n";
    for (int i = 0; i < kFunctions; ++i) {
        text += "namespace space" + std::to_string(i) + " { __attribute__((noinline)) void function() {\n";
        for (int call = 0; call < kCallsEach; ++call) {
            text += "    { void* a = here(); tell(" + std::to_string(i * kCallsEach + call) + ", a, __LINE__); }\n";
        }
        text += "} }\n";
    }
    text += "int main() {\n";
    for (int i = 0; i < kFunctions; ++i) text += "    space" + std::to_string(i) + "::function();\n";
    return text + "    std::puts(\"ready\"); std::fflush(stdout); std::getchar();\n}\n";
}

double milliseconds_of(NativeSymbolizer& symbolizer, const Target& target) {
    const auto start = std::chrono::steady_clock::now();
    for (const auto& [name, site] : target.sites()) symbolizer.resolve(site.address);
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

RULE("ten thousand addresses are named in two seconds, and again in 50 milliseconds") {
    TemporaryDirectory directory;
    write_file(directory / "program.cpp", program_text());
    compile(directory / "program.cpp", "-g -O0", directory / "program");
    Target target({directory / "program"});
    REQUIRE(target.sites().size() == kFunctions * kCallsEach);
    const std::uint64_t rss_before = memtrace::read_process(::getpid())->rss_bytes;
    NativeSymbolizer symbolizer(target.pid());
    const double first_ms = milliseconds_of(symbolizer, target);
    const double again_ms = milliseconds_of(symbolizer, target);
    const std::uint64_t rss_after = memtrace::read_process(::getpid())->rss_bytes;
    std::printf("  10 000 addresses: first %.0f ms, again %.1f ms, memory %+.1f MiB\n", first_ms, again_ms,
                (static_cast<double>(rss_after) - static_cast<double>(rss_before)) / 1048576);
    CHECK(first_ms < 2 * 2000);
    CHECK(again_ms < 2 * 50);
    std::size_t right = 0;
    for (const auto& [name, site] : target.sites()) right += symbolizer.resolve(site.address).line == site.line ? 1 : 0;
    CHECK(right == target.sites().size());
}
