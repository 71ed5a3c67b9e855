// Finds interpreters and talks to the corpus driver and forever.py; see python.hpp.
#include "support/python.hpp"

#include <elf.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>
#include <system_error>

#include "support/catch.hpp"
#include "support/files.hpp"

namespace memtrace::test {
namespace fs = std::filesystem;

namespace {

fs::path home() {
    const char* value = std::getenv("HOME");
    return value != nullptr ? value : "/root";
}

// pyenv's builds are shared only when configured so.
std::string pyenv_shared() {
    std::error_code unreadable;
    for (const auto& version : fs::directory_iterator(home() / ".pyenv/versions", unreadable))
        if (version.path().filename().string().starts_with("3.11.") && fs::exists(version.path() / "lib/libpython3.11.so.1.0", unreadable))
            return version.path() / "bin/python3.11";
    return "";
}

bool is_python_name(const std::string& name) {
    static const std::regex pattern(R"re(python3\.\d+)re");
    return std::regex_match(name, pattern);
}

// python3.N of a folder, the oldest first.
std::vector<std::string> pythons_in(const fs::path& folder) {
    std::vector<std::pair<int, std::string>> found;
    std::error_code unreadable;
    for (const auto& entry : fs::directory_iterator(folder, unreadable)) {
        const std::string name = entry.path().filename();
        if (is_python_name(name) && !entry.is_directory(unreadable)) found.emplace_back(std::stoi(name.substr(8)), entry.path());
    }
    std::sort(found.begin(), found.end());
    std::vector<std::string> paths;
    for (auto& [minor, path] : found) paths.push_back(std::move(path));
    return paths;
}

// One of $PYTHONS: PATH or ROOT!PATH.
Interpreter parse_python(const std::string& text) {
    const std::size_t mark = text.find('!');
    if (mark == std::string::npos) return {text, text};
    Interpreter interpreter{text, text.substr(mark + 1), text.substr(0, mark)};
    interpreter.scripts = std::make_shared<CopiedScripts>(interpreter.root);
    return interpreter;
}

bool is_pie(pid_t pid) {
    const std::string header = read_text("/proc/" + std::to_string(pid) + "/exe").substr(0, sizeof(Elf64_Ehdr));
    Elf64_Ehdr elf{};
    std::memcpy(&elf, header.data(), header.size());
    return elf.e_type == ET_DYN;
}

}  // namespace

CopiedScripts::CopiedScripts(const std::string& root) : root_(root) {
    std::string name = root + "/tmp/memtrace-test-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) FAIL("cannot make " << name);
    folder_ = name.substr(root.size());
    fs::permissions(name, fs::perms::others_read | fs::perms::others_exec, fs::perm_options::add);
    for (const auto& entry : fs::directory_iterator(script_path("")))
        if (entry.path().extension() == ".py") fs::copy_file(entry.path(), fs::path(name) / entry.path().filename());
}

CopiedScripts::~CopiedScripts() {
    std::error_code ignored;  // a destructor cannot report it
    fs::remove_all(root_ + folder_, ignored);
}

std::string Interpreter::script(const std::string& script_name) const {
    return scripts ? scripts->folder() + "/" + script_name : script_path(script_name);
}

Interpreter static_python() {
    const std::string path = "/usr/bin/python3.11";
    if (!fs::exists(path)) skip("there is no " + path);
    return {"static", path};
}

Interpreter shared_python() {
    if (const char* path = std::getenv("MEMTRACE_PYTHON_SHARED")) return {"shared, given", path};
    if (const std::string path = pyenv_shared(); !path.empty()) return {"shared, pyenv", path};
    const std::string host = workload_path("python_host");
    if (!fs::exists(host)) skip("no shared libpython 3.11: neither $MEMTRACE_PYTHON_SHARED, nor ~/.pyenv, nor the libpython3.11 package");
    return {"shared, embedded", host};
}

bool has_numpy(const Interpreter& interpreter) { return run({interpreter.path, "-c", "import numpy"}).wait() == Ending{false, 0}; }

std::string PythonBuild::kind() const {
    std::string text = shared ? "shared" : "static";
    for (const auto& [holds, word] :
         {std::pair(pie, "PIE"), std::pair(debug, "debug"), std::pair(endbr64, "endbr64"), std::pair(free_threaded, "free-threaded")})
        if (holds) text += std::string(", ") + word;
    return text;
}

PythonBuild build_of(const Interpreter& interpreter) {
    Child process = start_python(interpreter, "build_of.py", {});
    std::istringstream line(process.output().substr(process.output().find("build ")));
    std::string word;
    PythonBuild build;
    line >> word >> build.major >> build.minor >> build.version >> build.debug >> build.endbr64 >> build.free_threaded;
    build.shared = read_text("/proc/" + std::to_string(process.pid()) + "/maps").find("/libpython") != std::string::npos;
    build.pie = is_pie(process.pid());
    process.close_stdin();
    process.wait();
    return build;
}

std::vector<Interpreter> find_pythons() {
    std::vector<Interpreter> found;
    std::set<std::string> seen;
    const auto add = [&](const Interpreter& interpreter) {
        std::error_code missing;
        const fs::path file = fs::canonical(interpreter.root + interpreter.path, missing);
        if (seen.insert(missing ? interpreter.root + "!" + interpreter.path : file.string()).second) found.push_back(interpreter);
    };
    for (const auto& path : pythons_in("/usr/bin")) add({path, path});
    std::error_code unreadable;
    for (const char* manager : {".pyenv/versions", ".asdf/installs/python", ".local/share/uv/python"}) {
        std::vector<std::string> paths;
        for (const auto& version : fs::directory_iterator(home() / manager, unreadable))
            for (const auto& path : pythons_in(version.path() / "bin")) paths.push_back(path);
        const auto minor = [](const std::string& path) { return std::stoi(path.substr(path.rfind('.') + 1)); };
        std::sort(paths.begin(), paths.end(), [&](const auto& a, const auto& b) { return std::pair(minor(a), a) < std::pair(minor(b), b); });
        for (const auto& path : paths) add({path, path});
    }
    if (const char* given = std::getenv("PYTHONS")) {
        std::istringstream list(given);
        for (std::string text; std::getline(list, text, ':');)
            if (!text.empty()) add(parse_python(text));
    }
    return found;
}

std::vector<Interpreter> chosen_pythons() {
    std::vector<std::pair<unsigned, Interpreter>> found;
    for (const Interpreter& interpreter : find_pythons())
        if (const PythonBuild build = build_of(interpreter); build.traceable() && !build.debug)
            found.emplace_back(build.minor, Interpreter(interpreter));
    if (found.empty()) skip("no CPython 3.8 to 3.15 was found");
    for (auto& [minor, interpreter] : found) interpreter.name = "3." + std::to_string(minor) + ", " + interpreter.path;
    const auto older = [](const auto& a, const auto& b) { return a.first < b.first; };
    const Interpreter system = found.front().second;
    const auto [oldest, newest] = std::minmax_element(found.begin(), found.end(), older);
    std::vector<Interpreter> chosen{system};
    for (const auto& other : {oldest, newest})
        if (std::none_of(chosen.begin(), chosen.end(), [&](const Interpreter& one) { return one.name == other->second.name; }))
            chosen.push_back(other->second);
    return chosen;
}

Child start_python(const Interpreter& interpreter, const std::string& script, const std::vector<std::string>& arguments, Addresses addresses) {
    std::vector<std::string> command;
    if (!interpreter.root.empty()) command = {"chroot", interpreter.root};
    command.push_back(interpreter.path);
    command.insert(command.end(), interpreter.options.begin(), interpreter.options.end());
    // -B: nothing is left beside the scripts.
    command.insert(command.end(), {"-B", interpreter.script(script)});
    command.insert(command.end(), arguments.begin(), arguments.end());
    SpawnOptions options{.environment = {{"PYTHONHASHSEED", "0"}}, .fixed_addresses = addresses == Addresses::fixed};
    options.environment.insert(options.environment.end(), interpreter.environment.begin(), interpreter.environment.end());
    Child process(command, options);
    process.wait_line("ready");
    return process;
}

Child start_script(const Interpreter& interpreter, const std::string& script, const std::string& mode, unsigned frames) {
    return start_python(interpreter, "driver.py", {mode, std::to_string(frames), interpreter.script(script)});
}

Child start_forever(const Interpreter& interpreter) { return start_python(interpreter, "forever.py", {}, Addresses::random); }

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
