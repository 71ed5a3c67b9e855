// Where tests find what they run (environment, else defaults relative to the repository's root), and folders that vanish again.
#pragma once

#include <filesystem>
#include <string>

namespace memtrace::test {

/// $MEMTRACE_BPF, else build/memtrace-bpf. Absolute. Fails the test when it does not exist.
std::string tracer_path();
/// $MEMTRACE_WORKLOADS/NAME, else build/workloads/NAME. Absolute; may not exist.
std::string workload_path(const std::string& name);
/// $MEMTRACE_PYTHON_SCRIPTS/NAME, else tests/workloads/python/NAME. Absolute.
std::string script_path(const std::string& name);

/// Tracing needs root: skips the rule without it.
void require_root();

/// A new folder under /tmp that everybody may enter; removed with its content.
class TemporaryFolder {
public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(TemporaryFolder&& other) noexcept;
    TemporaryFolder& operator=(TemporaryFolder&&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }
    /// Names of all files in it, sorted, one a line: what a failed write left behind.
    [[nodiscard]] std::string listing() const;

private:
    std::filesystem::path path_;
};

std::string read_text(const std::filesystem::path& path);
void write_text(const std::filesystem::path& path, const std::string& text);

}  // namespace memtrace::test
