// Workloads and interpreters of the stress tests; see stress.hpp.
#include "support/stress.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "support/files.hpp"

namespace memtrace::test {
namespace fs = std::filesystem;

namespace {

constexpr int oldest_minor = 8;
constexpr int newest_minor = 15;

}  // namespace

bool long_run() {
    const char* value = std::getenv("MEMTRACE_LONG");
    return value != nullptr && std::string(value) == "1";
}

std::vector<Interpreter> pyenv_pythons() {
    const char* home = std::getenv("HOME");
    const fs::path versions = fs::path(home != nullptr ? home : "/root") / ".pyenv/versions";
    std::map<int, Interpreter> found;
    std::error_code unreadable;
    for (const auto& version : fs::directory_iterator(versions, unreadable)) {
        const std::string name = version.path().filename();
        const int minor = name.starts_with("3.") ? std::atoi(name.c_str() + 2) : 0;
        const std::string text = "3." + std::to_string(minor);
        if (minor < oldest_minor || minor > newest_minor || !fs::exists(version.path() / "lib" / ("libpython" + text + ".so.1.0"), unreadable))
            continue;
        found[minor] = {"pyenv " + name, version.path() / "bin" / ("python" + text)};
    }
    std::vector<Interpreter> interpreters;
    interpreters.reserve(found.size());
    for (auto& [minor, interpreter] : found) interpreters.push_back(std::move(interpreter));
    return interpreters;
}

Child start_stress(const Interpreter& interpreter, std::vector<std::string> arguments, const SpawnOptions& options) {
    arguments.front() = script_path(arguments.front());
    arguments.insert(arguments.begin(), interpreter.path);
    SpawnOptions complete = options;
    complete.environment.emplace_back("PYTHONHASHSEED", "0");
    complete.environment.emplace_back("PYTHONDONTWRITEBYTECODE", "1");
    Child process(std::move(arguments), complete);
    process.wait_line("ready");
    return process;
}

Lines domain_lines(const Snapshot& snapshot, const Lines& wanted) {
    Lines lines;
    for (const Site& site : snapshot.sites) {
        const std::string name = line_name(snapshot, site.frames.front()) + "@" + snapshot.text(site.domain);
        if (!wanted.contains(name)) continue;
        LineTotals& totals = lines[name];
        totals.live_blocks += site.counters.live_blocks();
        totals.live_bytes += site.counters.live_bytes();
        totals.allocated_blocks += site.counters.allocated_blocks;
        totals.allocated_bytes += site.counters.allocated_bytes;
    }
    return lines;
}

}  // namespace memtrace::test
