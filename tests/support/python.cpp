// Finds interpreters and talks to the corpus driver and forever.py; see python.hpp.
#include "support/python.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <system_error>

#include "support/catch.hpp"
#include "support/files.hpp"

namespace memtrace::test {
namespace fs = std::filesystem;

namespace {

const SpawnOptions fixed_hashes{{{"PYTHONHASHSEED", "0"}}};

// -P: a script of the corpus must not be taken for a module of the library.
Child start_python(const Interpreter& interpreter, std::vector<std::string> arguments) {
    std::vector<std::string> command{interpreter.path, "-P"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    Child process(command, fixed_hashes);
    process.wait_line("ready");
    return process;
}

// pyenv's builds are shared only when configured so.
std::optional<std::string> pyenv_shared() {
    const char* home = std::getenv("HOME");
    const fs::path versions = fs::path(home != nullptr ? home : "/root") / ".pyenv/versions";
    std::error_code unreadable;
    if (!fs::exists(versions, unreadable)) return std::nullopt;
    for (const auto& version : fs::directory_iterator(versions, unreadable))
        if (version.path().filename().string().starts_with("3.11.") && fs::exists(version.path() / "lib/libpython3.11.so.1.0", unreadable))
            return version.path() / "bin/python3.11";
    return std::nullopt;
}

bool of_script(const std::string& file, const std::string& script) { return file == script_path(script) || file.starts_with("<generated"); }

}  // namespace

Interpreter static_python() {
    const std::string path = "/usr/bin/python3.11";
    if (!fs::exists(path)) skip("there is no " + path);
    return {"static", path};
}

Interpreter shared_python() {
    if (const char* path = std::getenv("MEMTRACE_PYTHON_SHARED")) return {"shared, given", path};
    if (const auto path = pyenv_shared()) return {"shared, pyenv", *path};
    const std::string host = workload_path("python_host");
    if (!fs::exists(host)) skip("no shared libpython 3.11: neither $MEMTRACE_PYTHON_SHARED, nor ~/.pyenv, nor the libpython3.11 package");
    return {"shared, embedded", host};
}

bool has_numpy(const Interpreter& interpreter) { return run({interpreter.path, "-c", "import numpy"}).wait() == Ending{false, 0}; }

Child start_script(const Interpreter& interpreter, const std::string& script, const std::string& mode) {
    return start_python(interpreter, {script_path("driver.py"), mode, script_path(script)});
}

PythonLines tracemalloc_lines(const Interpreter& interpreter, const std::string& script) {
    Child process = start_script(interpreter, script, "tracemalloc");
    process.send_line("go");
    const std::string json = process.wait_line("{");
    const std::regex entry(R"re("([^"]+)": \[(\d+), (\d+)\])re");
    PythonLines lines;
    for (std::sregex_iterator at(json.begin(), json.end(), entry), end; at != end; ++at)
        lines[(*at)[1]] = {std::stoll((*at)[2]), std::stoll((*at)[3])};
    INFO(process.transcript());
    REQUIRE(!lines.empty());
    return lines;
}

PythonLines traced_lines(const Snapshot& snapshot, const std::string& script) {
    PythonLines lines;
    for (const auto& site : snapshot.sites) {
        const Frame& frame = snapshot.frame(site.frames.front());
        const std::string& file = snapshot.text(frame.file);
        if (!frame.python || !of_script(file, script) || snapshot.text(site.domain) == "mmap") continue;
        if (site.counters.live_blocks() == 0) continue;
        PythonLine& line = lines[file.substr(file.rfind('/') + 1) + ":" + std::to_string(frame.line)];
        line.bytes += static_cast<std::int64_t>(site.counters.live_bytes());
        line.blocks += static_cast<std::int64_t>(site.counters.live_blocks());
    }
    return lines;
}

Child start_forever(const Interpreter& interpreter) { return start_python(interpreter, {script_path("forever.py")}); }

std::string allocator_tables(Child& forever) {
    forever.send_line("tables");
    const std::string tables = forever.wait_line("tables ");
    REQUIRE(std::count(tables.begin(), tables.end(), ' ') == 15);
    return tables;
}

std::uint64_t progress(Child& forever) {
    forever.send_line("progress");
    const std::string prefix = "progress ";
    return std::stoull(forever.wait_line(prefix).substr(prefix.size()));
}

void require_progress(Child& forever) {
    const std::uint64_t before = progress(forever);
    REQUIRE(eventually([&] { return progress(forever) > before; }));
}

}  // namespace memtrace::test
