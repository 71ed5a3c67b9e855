// Places of programs and scripts, temporary folders. First stop of every end-to-end test.
#include "support/files.hpp"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

#include "support/catch.hpp"

namespace memtrace::test {
namespace fs = std::filesystem;

namespace {

std::string place(const char* variable, const char* otherwise) {
    const char* value = std::getenv(variable);
    return fs::absolute(value != nullptr ? value : otherwise).lexically_normal();
}

}  // namespace

std::string tracer_path() {
    std::string path = place("MEMTRACE_BPF", "build/memtrace-bpf");
    if (!fs::exists(path)) FAIL("there is no " << path << " to test: make builds it");
    return path;
}

std::string workload_path(const std::string& name) { return fs::path(place("MEMTRACE_WORKLOADS", "build/workloads")) / name; }

std::string script_path(const std::string& name) { return fs::path(place("MEMTRACE_PYTHON_SCRIPTS", "tests/workloads/python")) / name; }

void require_root() {
    if (geteuid() != 0) skip("tracing needs root");
}

TemporaryFolder::TemporaryFolder() {
    std::string name = "/tmp/memtrace-test-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) FAIL("cannot make " << name);
    path_ = name;
    fs::permissions(path_, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec | fs::perms::others_read | fs::perms::others_exec);
}

TemporaryFolder::TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;  // a destructor cannot report it, and /tmp is emptied anyway
    if (!path_.empty()) fs::remove_all(path_, ignored);
}

std::string TemporaryFolder::listing() const {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(path_)) names.insert(entry.path().filename());
    std::string text;
    for (const auto& name : names) text += name + "\n";
    return text;
}

std::string read_text(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_text(const fs::path& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    if (!file) FAIL("cannot write " << path.string());
}

}  // namespace memtrace::test
