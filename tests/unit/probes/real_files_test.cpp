// The planner on the C library and the Python of this machine, where builds differ: rules that hold for all of them.
// `unit-tests "[sites]"` prints the chosen places, to be compared with objdump.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>

#include "probes/planner.hpp"
#include "support/catch.hpp"

using namespace memtrace;

namespace {

using Clock = std::chrono::steady_clock;
double milliseconds_since(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

// A function to hook, as the hook table would ask for it.
struct Wanted {
    std::string name;
    std::uint8_t arguments = 0;
    bool needs_return = false;
    std::optional<unsigned> null_argument = {};
    std::uint64_t address = 0;
};

const std::vector<Wanted> libc_functions = {
    {"malloc", 1, true},        {"calloc", 3, true},   {"realloc", 3, true}, {"free", 1, false, 0}, {"posix_memalign", 7, true},
    {"aligned_alloc", 3, true}, {"memalign", 3, true}, {"valloc", 1, true},  {"pvalloc", 1, true},  {"reallocarray", 7, true},
    {"mmap", 2, true},          {"munmap", 3, false},  {"mremap", 7, true},  {"sbrk", 1, true},
};

ProbeRequest request_for(const ElfImage& image, const Wanted& wanted) {
    const auto bounds = image.function_bounds(wanted.address);
    REQUIRE(bounds);
    return {wanted.address, bounds->second, wanted.arguments, wanted.needs_return, wanted.null_argument};
}

ProbeSite planned(const ElfImage& image, const Wanted& wanted) {
    INFO(wanted.name);
    const auto site = plan_probe(image, request_for(image, wanted), ProbeCosts::typical());
    REQUIRE(site);
    return *site;
}

std::string libc_path() {
    for (const char* path : {"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"}) {
        if (std::filesystem::exists(path)) return path;
    }
    test::skip("no glibc at a known place");
}

ElfImage open_image(const std::string& path) {
    auto image = ElfImage::open(path, std::filesystem::path(path).filename());
    REQUIRE(image);
    return *std::move(image);
}

std::vector<Wanted> in_libc(const ElfImage& image) {
    std::vector<Wanted> found = libc_functions;
    for (Wanted& wanted : found) {
        const auto symbol = image.find_symbol(wanted.name);
        REQUIRE(symbol);
        wanted.address = symbol->address;
    }
    return found;
}

// One allocator table of a Python, and the file its functions lie in.
struct PythonTable {
    std::string file;
    std::vector<Wanted> functions;
};

// Asks the interpreter itself for the table of a domain: 0 raw, 1 mem, 2 obj.
PythonTable python_table(const std::string& python, int domain) {
    if (!std::filesystem::exists(python)) test::skip("no " + python);
    const std::string script = "import ctypes;t=(ctypes.c_void_p*5)();ctypes.pythonapi.PyMem_GetAllocator(" + std::to_string(domain) +
                               ",t);"
                               "m=[l.split() for l in open('/proc/self/maps')];"
                               "m=[(*(int(x,16) for x in l[0].split('-')),int(l[2],16),l[-1]) for l in m];"
                               "f=[(r[3],p-r[0]+r[2]) for p in t[1:] for r in m if r[0]<=p<r[1]];print(f[0][0],*(o for _,o in f))";
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen((python + " -c \"" + script + "\" 2>&1").c_str(), "r"), ::pclose);
    REQUIRE(pipe);
    std::array<char, 512> line{};
    if (std::fgets(line.data(), line.size(), pipe.get()) == nullptr) test::skip(python + " printed nothing");
    PythonTable table;
    std::array<std::uint64_t, 4> offsets{};
    std::istringstream words(line.data());
    words >> table.file >> offsets[0] >> offsets[1] >> offsets[2] >> offsets[3];
    if (!words) test::skip(python + " cannot tell its tables: " + line.data());
    const ElfImage image = open_image(table.file);
    table.functions = {{"malloc", 2, true}, {"calloc", 6, true}, {"realloc", 6, true}, {"free", 2, false, 1}};
    for (std::size_t i = 0; i < 4; ++i) table.functions[i].address = image.address_of(offsets[i]).value();
    return table;
}

const std::vector<std::string> pythons = [] {
    std::vector<std::string> found = {"/usr/bin/python3.11"};
    const char* home = std::getenv("HOME");
    for (const char* version : {"3.8.18", "3.11.7", "3.12.1", "3.13.0"}) {
        found.push_back(fmt::format("{}/.pyenv/versions/{}/bin/python3", home ? home : "", version));
    }
    return found;
}();

void print_sites(const ElfImage& image, const std::vector<Wanted>& functions) {
    fmt::print("\n{}\n", image.name());
    for (const Wanted& wanted : functions) {
        const auto site = planned(image, wanted);
        fmt::print("  {:15} 0x{:x} +{:<3} {:28} {:6} {:5.0f} ns{}\n", wanted.name, wanted.address, site.address - wanted.address, site.instruction,
                   name_of(site.kind), site.cost_ns, compared_in_code(image, wanted.address) ? "  compared" : "");
    }
}

void print_redirects(const ElfImage& image, const std::vector<Wanted>& functions) {
    for (const Wanted& wanted : functions) {
        for (const Redirect& redirect : plan_redirects(image, request_for(image, wanted), ProbeCosts::typical())) {
            fmt::print("  {:15} -> 0x{:x} {:15} probe 0x{:x} {:24} {:5.0f} ns\n", wanted.name, redirect.target, redirect.kind, redirect.probe.address,
                       redirect.probe.instruction, redirect.probe.cost_ns);
        }
    }
}

}  // namespace

RULE("print the chosen sites of libc and of the Pythons on this machine", "[.sites]") {
    const ElfImage libc = open_image(libc_path());
    print_sites(libc, in_libc(libc));
    for (const std::string& python : pythons) {
        if (!std::filesystem::exists(python)) continue;
        for (const int domain : {0, 2}) {
            const PythonTable table = python_table(python, domain);
            const ElfImage image = open_image(table.file);
            fmt::print("\n{} domain {}", python, domain);
            print_sites(image, table.functions);
            print_redirects(image, table.functions);
        }
    }
}

RULE("in glibc malloc, calloc, realloc and free are probed at emulated instructions") {
    const ElfImage image = open_image(libc_path());
    for (const Wanted& wanted : in_libc(image)) {
        const auto site = planned(image, wanted);
        INFO(wanted.name << ": " << site.instruction);
        CHECK(site.address >= wanted.address);
        CHECK(site.address < request_for(image, wanted).end);
        const std::string_view hot[] = {"malloc", "calloc", "realloc", "free", "posix_memalign", "aligned_alloc", "valloc", "mmap"};
        if (std::ranges::find(hot, wanted.name) != std::end(hot)) CHECK(site.emulated);
    }
}

RULE("glibc's free is probed behind its check for NULL") {
    const ElfImage image = open_image(libc_path());
    const Wanted free = in_libc(image)[3];
    const auto code = image.bytes_at(free.address, 8);
    const bool checks_at_once = code[0] == std::byte{0x48} && code[1] == std::byte{0x85} && code[2] == std::byte{0xff};
    if (!checks_at_once) test::skip("this glibc's free does not begin with test rdi, rdi");
    const auto site = planned(image, free);
    INFO(site.instruction);
    CHECK(site.kind != InstructionKind::branch);
    CHECK(site.address > free.address + 3);
}

RULE("every function of Debian's Python table has a redirect whose probe is emulated") {
    const PythonTable table = python_table("/usr/bin/python3.11", 2);
    const ElfImage image = open_image(table.file);
    for (const Wanted& wanted : table.functions) {
        INFO(wanted.name);
        CHECK(compared_in_code(image, wanted.address));
        const auto redirects = plan_redirects(image, request_for(image, wanted), ProbeCosts::typical());
        REQUIRE_FALSE(redirects.empty());
        CHECK(redirects.front().probe.emulated);
        for (const Redirect& redirect : redirects) {
            CHECK(redirect.target != wanted.address);
            if (redirect.kind != "jmp elsewhere") continue;
            CHECK(redirect.probe.address == redirect.target);
            CHECK(redirect.probe.instruction == fmt::format("jmp 0x{:x}", wanted.address));
        }
    }
}

RULE("several wrappers in Debian's Python jump to the allocator") {
    const PythonTable table = python_table("/usr/bin/python3.11", 2);
    const ElfImage image = open_image(table.file);
    const auto redirects = plan_redirects(image, request_for(image, table.functions[0]), ProbeCosts::typical());
    CHECK(std::ranges::count(redirects, "jmp elsewhere", &Redirect::kind) >= 2);
}

RULE("planning a whole process takes a tenth of a second at most") {
    const auto start = Clock::now();
    const ElfImage libc = open_image(libc_path());
    for (const Wanted& wanted : in_libc(libc)) (void)planned(libc, wanted);
    const double libc_ms = milliseconds_since(start);
    const PythonTable table = python_table("/usr/bin/python3.11", 2);
    const auto python_start = Clock::now();
    const ElfImage python = open_image(table.file);
    for (int domain = 0; domain < 3; ++domain) {
        for (const Wanted& wanted : table.functions) {
            (void)planned(python, wanted);
            (void)plan_redirects(python, request_for(python, wanted), ProbeCosts::typical());
            (void)compared_in_code(python, wanted.address);
        }
    }
    const double python_ms = milliseconds_since(python_start);
    INFO(fmt::format("libc {:.1f} ms, Python {:.1f} ms", libc_ms, python_ms));
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
    CHECK(libc_ms + python_ms < 100);
#endif
}

RULE("opening libc and finding its functions takes less than 10 ms") {
    const std::string path = libc_path();
    const auto start = Clock::now();
    (void)in_libc(open_image(path));
    const double took = milliseconds_since(start);
    INFO(took);
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
    CHECK(took < 10);
#endif
}
