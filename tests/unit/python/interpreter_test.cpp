// A running interpreter examined from outside, against what it says of itself: version, tables, where its thread's state is kept.
#include "python/interpreter.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include "support/catch.hpp"
#include "support/process.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

// Prints its version, pthread_self(), its PyThreadState, the words of its tables; then holds the GIL until it is told to end.
constexpr const char* subject = R"py(
import ctypes, sys
api = ctypes.pythonapi
api.PyThreadState_Get.restype = ctypes.c_void_p
libc = ctypes.CDLL(None)
libc.pthread_self.restype = ctypes.c_void_p
tables = []
for domain in range(3):
    table = (ctypes.c_void_p * 5)()
    api.PyMem_GetAllocator(domain, table)
    tables += [word or 0 for word in table]
print("says", "%d.%d.%d" % sys.version_info[:3], libc.pthread_self(), api.PyThreadState_Get(), *tables, flush=True)
while True:
    pass
)py";

std::set<std::string> interpreters() {
    std::set<std::string> found;
    const auto consider = [&](const std::filesystem::path& path) {
        std::error_code error;
        const std::filesystem::path real = std::filesystem::canonical(path, error);
        if (!error && std::regex_match(real.filename().string(), std::regex("python3\\.([89]|1[0-5])"))) found.insert(real);
    };
    consider("/usr/bin/python3");
    const char* home = std::getenv("HOME");
    std::error_code none;
    for (const auto& version : std::filesystem::directory_iterator(std::string(home ? home : "") + "/.pyenv/versions", none))
        for (const auto& program : std::filesystem::directory_iterator(version.path() / "bin", none)) consider(program.path());
    return found;
}

// Where the thread whose pthread_self() is `thread` keeps its state, as the kernel side finds it.
std::uint64_t current_thread(const Target& target, const mt_python& python, std::uint64_t thread) {
    std::uint64_t at = python.current_thread;
    if (at == 0 && python.thread_local_module == 0) at = thread + static_cast<std::uint64_t>(python.thread_local_offset);
    if (at == 0) {
        const Result<std::uint64_t> vector = target.read<std::uint64_t>(thread + 8);
        REQUIRE(vector);
        const Result<std::uint64_t> block = target.read<std::uint64_t>(*vector +
                                                                       std::uint64_t{python.thread_local_module} * python.thread_local_stride);
        REQUIRE(block);
        at = *block + static_cast<std::uint64_t>(python.thread_local_offset);
    }
    const Result<std::uint64_t> state = target.read<std::uint64_t>(at);
    REQUIRE(state);
    return *state;
}

// And no longer a copy of ours.
bool runs_sleep(const std::vector<Module>& modules) {
    return std::any_of(modules.begin(), modules.end(), [](const Module& module) { return module.path.find("sleep") != std::string::npos; });
}

void check(const std::string& path) {
    INFO(path);
    Child process({path, "-c", subject});
    std::istringstream says(process.wait_line("says ").substr(5));
    std::string version;
    std::uint64_t thread = 0, state = 0;
    says >> version >> thread >> state;
    Result<Target> target = Target::open(process.pid());
    REQUIRE(target);
    std::vector<Module> modules;
    std::vector<std::string> skipped;
    REQUIRE(refresh_modules(process.pid(), modules, skipped));
    const std::vector<const Module*> pythons = python_modules(modules);
    REQUIRE(pythons.size() == 1);
    const Result<memtrace::Interpreter> found = examine_interpreter(*target, modules, *pythons.front());
    INFO((found ? std::string() : found.error().what));
    REQUIRE(found);
    CHECK(found->version.text() == version);
    CHECK(current_thread(*target, found->python, thread) == state);
    REQUIRE(found->tables.size() == 3);
    REQUIRE(found->defaults.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        const AllocatorTable& table = found->tables[i];
        std::uint64_t word = 0;
        says >> word;
        CHECK(table.ctx == word);
        for (const std::uint64_t function : table.functions) {
            says >> word;
            CHECK(function == word);
        }
        CHECK(table.domain == std::array{MT_DOMAIN_RAW, MT_DOMAIN_MEM, MT_DOMAIN_OBJ}[i]);
        CHECK(found->defaults[i].functions == table.functions);
    }
    REQUIRE(says);
}

}  // namespace

RULE("every interpreter found is what it says it is: its version, its tables, where its running thread's state stands") {
    const std::set<std::string> found = interpreters();
    if (found.empty()) skip("no python3 of 3.8 to 3.15");
    for (const std::string& path : found) check(path);
}

RULE("a program that is no interpreter has no module that is one") {
    Child process({"/bin/sleep", "60"});
    std::vector<Module> modules;
    std::vector<std::string> skipped;
    REQUIRE(eventually([&] { return refresh_modules(process.pid(), modules, skipped) && runs_sleep(modules); }));
    CHECK(python_modules(modules).empty());
}

RULE("three tables in a row are believed where no pointer is missing and those of one table at least lead to known code") {
    Child process({"/bin/sleep", "60"});
    std::vector<Module> modules;
    std::vector<std::string> skipped;
    REQUIRE(eventually([&] { return refresh_modules(process.pid(), modules, skipped) && runs_sleep(modules); }));
    const std::uint64_t code = modules.front().mappings.front().start;
    std::vector<std::uint64_t> words(3, 0);
    for (unsigned table = 0; table < 3; ++table) {
        words.push_back(table);
        for (unsigned i = 1; i <= 4; ++i) words.push_back(code + i);
    }
    words.push_back(0);
    const std::vector<AllocatorTable> tables = tables_in_runtime(modules, words, 0x1000);
    REQUIRE(tables.size() == 3);
    CHECK(tables[0].address == 0x1000 + 8 * 3);
    CHECK(tables[2].ctx == 2);
    CHECK(tables[1].functions[3] == code + 4);
    CHECK(tables_in_runtime(modules, std::span(words).first(10), 0x1000).empty());
    for (std::size_t i = 0; i < 4; ++i) words[i] = words[8] = words[13] = 0x20;  // nothing is 0 before them, nor their ctx: looked at from
    CHECK(tables_in_runtime(modules, words, 0x1000).at(0).address == 0x1018);    // a word before they look like tables, too
    for (std::size_t i = 9; i < 18; ++i) words[i] = 0x10;                        // all of two tables lead nowhere
    CHECK(tables_in_runtime(modules, words, 0x1000).size() == 3);
    words[4] = 0x10;  // and one pointer of the third
    CHECK(tables_in_runtime(modules, words, 0x1000).empty());
    words[4] = 0;
    CHECK(tables_in_runtime(modules, words, 0x1000).empty());
}
