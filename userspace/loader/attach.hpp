// Puts BPF programs on addresses of one process's files. Two ways, the same to the callers: one uprobe_multi link for many
// places (Linux 6.6 and newer, where it filters by process correctly) or one perf event each.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "util/result.hpp"
#include "util/unique_fd.hpp"

struct bpf_program;
struct bpf_link;

namespace memtrace {

enum class AttachMethod : std::uint8_t { perf_event, uprobe_multi };

/// A place in a file and what the program is told there (MT_COOKIE).
struct AttachPoint {
    std::string path;          ///< Opened by the kernel: any path to the file, /proc/PID/map_files/... included.
    std::uint64_t offset = 0;  ///< In the file.
    std::uint64_t cookie = 0;
};

/// Owner of attached probes; destroying it removes them from the target.
class Links {
public:
    Links() = default;
    Links(Links&&) noexcept = default;
    Links& operator=(Links&& other) noexcept;
    ~Links();
    void add(UniqueFd fd) { fds_.push_back(std::move(fd)); }
    void add(bpf_link* link) { links_.push_back(link); }
    void clear();
    /// Each alone.
    std::vector<Links> split() &&;

private:
    std::vector<UniqueFd> fds_;
    std::vector<bpf_link*> links_;
};

/// Must be called before the object is loaded: the kernel checks a program for one way of attaching.
void prepare(bpf_program* program, AttachMethod method);

/// Attaches `program` at all points, for process `pid` only; `at_return` makes it run when the function at that address returns.
/// All or nothing: on failure what was attached is removed. Programs are attached in the order of the points.
Result<Links> attach(const bpf_program* program, AttachMethod method, int pid, const std::vector<AttachPoint>& points, bool at_return);

}  // namespace memtrace
