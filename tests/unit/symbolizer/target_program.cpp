#include "unit/symbolizer/target_program.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/catch.hpp"

namespace memtrace::test {

const char* const kCxxProgram = R"(
#include <cstdio>
static __attribute__((noinline, noclone)) void* here() { asm volatile(""); return __builtin_return_address(0); }
static void tell(const char* name, void* address, int line) { std::printf("%s %p %d\n", name, address, line); }
namespace shop {
__attribute__((noinline)) void put(int) {
    void* a = here(); tell("plain", a, __LINE__);
}
inline __attribute__((always_inline)) void inner(int) {
    void* a = here(); tell("inlined", a, __LINE__);
}
static inline __attribute__((always_inline)) void hidden(int) {
    void* a = here(); tell("hidden", a, __LINE__);
}
__attribute__((noinline)) void outer() {
    inner(1);
    hidden(1);
    asm volatile("");
}
template <typename T> __attribute__((noinline)) T typed(T value) {
    void* a = here(); tell("template", a, __LINE__);
    return value;
}
}
int main() {
    shop::put(1);
    shop::outer();
    shop::typed<unsigned long>(3);
    auto lambda = [](int) __attribute__((noinline)) {
        void* a = here(); tell("lambda", a, __LINE__);
    };
    lambda(1);
    std::puts("ready");
    std::fflush(stdout);
    std::getchar();
}
)";

const char* const kCProgram = R"(
#include <stdio.h>
static __attribute__((noinline, noclone)) void* here(void) { __asm__ volatile(""); return __builtin_return_address(0); }
__attribute__((noinline)) void plain(void) {
    void* a = here(); printf("plain %p %d\n", a, __LINE__);
}
int main(void) {
    plain();
    puts("ready");
    fflush(stdout);
    getchar();
}
)";

TemporaryDirectory::TemporaryDirectory() {
    char name[] = "/tmp/memtrace-test-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    REQUIRE(file.flush());
}

bool run(const std::string& command) {
    std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::string output;
    char block[4096];
    for (std::size_t got; (got = std::fread(block, 1, sizeof block, pipe)) > 0;) output.append(block, got);
    const bool success = ::pclose(pipe) == 0;
    if (!success) WARN(command << ":\n" << output);
    return success;
}

void compile(const std::string& source, const std::string& flags, const std::string& output) {
    const std::string compiler = source.ends_with(".c") ? "gcc" : "g++";
    if (!run("command -v " + compiler)) skip("no " + compiler + " on this machine");
    REQUIRE(run(compiler + " " + flags + " '" + source + "' -o '" + output + "'"));
}

Target::Target(const std::vector<std::string>& command) {
    int input[2];
    int output[2];
    REQUIRE(::pipe2(input, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(output, O_CLOEXEC) == 0);
    std::vector<char*> arguments;
    for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::dup2(input[0], 0);
        ::dup2(output[1], 1);
        ::execv(arguments[0], arguments.data());
        ::_exit(127);
    }
    ::close(input[0]);
    ::close(output[1]);
    stdin_ = input[1];
    read_sites(output[0]);
}

void Target::read_sites(int fd) {
    std::FILE* stream = ::fdopen(fd, "r");
    bool ready = false;
    char line[512];
    while (!ready && std::fgets(line, sizeof line, stream) != nullptr) {
        std::istringstream words(line);
        std::string name;
        std::string address;
        Site site;
        words >> name >> address >> site.line;
        ready = name == "ready";
        if (words) {
            site.address = std::strtoull(address.c_str(), nullptr, 16);
            sites_[name] = site;
        }
    }
    std::fclose(stream);
    REQUIRE(ready);
}

const Site& Target::site(const std::string& name) const {
    const auto found = sites_.find(name);
    REQUIRE(found != sites_.end());
    return found->second;
}

void Target::end() {
    if (pid_ <= 0) return;
    ::close(stdin_);
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
}

}  // namespace memtrace::test
