#include "presets.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "util/invoker.hpp"
#include "util/unique_fd.hpp"

namespace memtrace::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array with_value{"--by",    "--filter", "--domain", "--lines",          "--min-size", "--max-size",
                                "--older", "--sort",   "--show",   "--filename-parts", "--color"};
constexpr std::array flags{"--cumulative", "--live", "--allocated", "--freed", "--filter-all-frames"};
constexpr std::size_t largest_file = 1 << 20;

template <typename Names>
bool is_one(const Names& names, std::string_view word) {
    return std::find(names.begin(), names.end(), word) != names.end();
}

using Sections = std::map<std::string, std::vector<std::string>>;  // The lines of each.

Error in_file(const std::string& file, const std::string& what) { return Error{"presets in " + file + ": " + what, "correct the file by hand"}; }

Result<Sections> parse(const std::string& file, const std::string& text) {
    Sections sections;
    std::vector<std::string>* section = nullptr;
    std::istringstream lines(text);
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
        line.erase(line.find_last_not_of(" \t\r") + 1);
        if (line.empty() || line[0] == '#') continue;
        if (line[0] == '[' && line.back() == ']') {
            section = &sections[line.substr(1, line.size() - 2)];
            continue;
        }
        const std::string_view option = std::string_view(line).substr(0, line.find_first_of(" \t="));
        const bool has_value = option.size() < line.size();
        if (!section || !(has_value ? is_one(with_value, option) : is_one(flags, option)))
            return in_file(file, "line " + std::to_string(number) + " is no [NAME] and no option of a view");
        section->push_back(line);
    }
    return sections;
}

Result<Sections> read(const std::string& file) {
    const AsInvoker user;
    if (user.failed()) return errno_error("cannot act as the user who called sudo", errno);
    const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd && errno == ENOENT) return Sections{};
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0) return errno_error("cannot read " + file, errno);
    if (!S_ISREG(status.st_mode) || static_cast<std::size_t>(status.st_size) > largest_file) return in_file(file, "it is no small file");
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    const ssize_t got = ::read(fd.get(), text.data(), text.size());
    if (got < 0) return errno_error("cannot read " + file, errno);
    text.resize(static_cast<std::size_t>(got));
    return parse(file, text);
}

Result<void> write(const std::string& file, const Sections& sections) {
    const AsInvoker user;
    if (user.failed()) return errno_error("cannot act as the user who called sudo", errno);
    std::error_code code;
    fs::create_directories(fs::path(file).parent_path(), code);
    const std::string next = file + ".new";
    std::ofstream out(next, std::ios::trunc);
    for (const auto& [name, lines] : sections) {
        out << '[' << name << "]\n";
        for (const std::string& line : lines) out << line << '\n';
    }
    out.close();
    if (!out) return Error{"cannot write " + next};
    fs::rename(next, file, code);
    if (code) return Error{"cannot write " + file + ": " + code.message()};
    return {};
}

// "--by file" as the command line has it.
std::string as_word(std::string line) {
    const std::size_t gap = line.find_first_of(" \t=");
    if (gap == std::string::npos) return line;
    const std::size_t value = line.find_first_not_of(" \t", gap + (line[gap] == '=' ? 1 : 0));
    return line.substr(0, gap) + "=" + (value == std::string::npos ? "" : line.substr(value));
}

// The value of `option` at words[at], which it moves to the option's last word; none: it is another one.
std::optional<std::string> value_of(const std::vector<std::string>& words, std::size_t& at, std::string_view option) {
    if (words[at] == option && at + 1 < words.size()) return words[++at];
    if (words[at].starts_with(std::string(option) + "=")) return words[at].substr(option.size() + 1);
    return {};
}

}  // namespace

std::string presets_file() {
    const std::optional<Invoker> user = invoker();
    const char* folder = user ? nullptr : std::getenv("XDG_CONFIG_HOME");
    if (folder && *folder == '/') return std::string(folder) + "/memtrace-bpf/presets";
    const passwd* entry = user ? getpwuid(user->uid) : nullptr;
    const char* home = user ? (entry ? entry->pw_dir : nullptr) : std::getenv("HOME");
    return home && *home ? std::string(home) + "/.config/memtrace-bpf/presets" : "";
}

Result<std::vector<std::string>> with_presets(const std::vector<std::string>& words, const std::string& file) {
    std::vector<std::string> result, stored;
    std::optional<std::string> saved_as;
    for (std::size_t at = 0; at < words.size(); ++at) {
        std::size_t end = at;
        if (const auto name = value_of(words, end, "--preset")) {
            const Result<Sections> sections = read(file);
            if (!sections) return sections.error();
            const auto found = sections->find(*name);
            if (found == sections->end()) return Error{"there is no preset \"" + *name + "\"", "--save-preset NAME makes one, in " + file};
            for (const std::string& line : found->second) {
                result.push_back(as_word(line));
                stored.push_back(line);
            }
        } else if (const auto wanted = value_of(words, end, "--save-preset")) {
            saved_as = wanted;
        } else {
            for (const char* option : with_value)
                if (const auto value = end == at ? value_of(words, end, option) : std::nullopt) stored.push_back(std::string(option) + " " + *value);
            if (is_one(flags, words[at])) stored.push_back(words[at]);
            result.insert(result.end(), words.begin() + static_cast<std::ptrdiff_t>(at), words.begin() + static_cast<std::ptrdiff_t>(end) + 1);
        }
        at = end;
    }
    if (!saved_as) return result;
    const auto broken = [](const std::string& text) { return text.find_first_of("\n\r") != std::string::npos; };
    if (saved_as->empty() || broken(*saved_as) || std::any_of(stored.begin(), stored.end(), broken))
        return Error{"this cannot be stored as a preset", "names and values may have no line breaks"};
    if (file.empty()) return Error{"there is no home folder to keep presets in"};
    Result<Sections> sections = read(file);
    if (!sections) return sections.error();
    (*sections)[*saved_as] = std::move(stored);
    if (Result<void> done = write(file, *sections); !done) return done.error();
    return result;
}

}  // namespace memtrace::cli
