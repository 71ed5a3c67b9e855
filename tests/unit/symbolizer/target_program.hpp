// Programs made at test time that tell where their calls return to, and then wait.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace memtrace::test {

/// A directory that disappears with everything in it.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

void write_file(const std::string& path, const std::string& text);

/// Runs a shell command, whose output ends up in the failure message.
bool run(const std::string& command);

/// Compiles `source` (".c": gcc, else g++), or skips the test when there is no such compiler.
void compile(const std::string& source, const std::string& flags, const std::string& output);

/// One place in a target: where a call returns to, and the line of the call.
struct Site {
    std::uint64_t address = 0;
    unsigned line = 0;
};

/// A running program. It prints "NAME ADDRESS LINE" for each site, then "ready", and ends when its stdin does.
class Target {
public:
    explicit Target(const std::vector<std::string>& command);
    ~Target() { end(); }
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;

    [[nodiscard]] int pid() const { return pid_; }
    [[nodiscard]] const std::map<std::string, Site>& sites() const { return sites_; }
    [[nodiscard]] const Site& site(const std::string& name) const;
    void end();

private:
    void read_sites(int fd);

    int pid_ = 0;
    int stdin_ = -1;
    std::map<std::string, Site> sites_;
};

/// C++ text with `shop::put` (a plain call), `shop::inner` and the static `shop::hidden` inlined into `shop::outer`, a template and a lambda.
extern const char* const kCxxProgram;
/// C text with `plain`.
extern const char* const kCProgram;

}  // namespace memtrace::test
