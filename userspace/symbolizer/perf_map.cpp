#include "symbolizer/perf_map.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "process/info.hpp"
#include "symbolizer/object_file.hpp"

namespace memtrace {
namespace {

constexpr off_t kMaxFileBytes = off_t{64} << 20;
constexpr std::size_t kMaxEntries = 250'000;
constexpr std::size_t kMaxNameBytes = 512;
constexpr std::size_t kBlockBytes = std::size_t{1} << 18;  // longer lines are passed over
constexpr auto kBetweenLooks = std::chrono::milliseconds(50);

bool take_number(std::string_view& line, std::uint64_t& value) {
    const auto [stop, code] = std::from_chars(line.data(), line.data() + line.size(), value, 16);
    if (code != std::errc{} || stop == line.data() + line.size() || *stop != ' ') return false;
    line.remove_prefix(static_cast<std::size_t>(stop - line.data()) + 1);
    return true;
}

}  // namespace

std::optional<std::string> PerfMap::find(std::uint64_t address, const UniqueFd& root) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_look_) {
        read_on(root);
        next_look_ = now + kBetweenLooks;
    }
    const auto after = code_.upper_bound(address);
    if (after == code_.begin() || address >= std::prev(after)->second.end) return std::nullopt;
    return std::prev(after)->second.name;
}

// Nothing is opened for reading before it is known what it is: it may be a fifo, a device, a link to somewhere else.
UniqueFd PerfMap::open(const UniqueFd& root) const {
    const Result<ProcessInfo> info = read_process(pid_);
    if (!info) return {};
    const int pid = info->namespace_pid > 0 ? info->namespace_pid : pid_;
    const UniqueFd marked = mark_file_in_root(root, "/tmp/perf-" + std::to_string(pid) + ".map");
    struct stat status;
    if (!marked || ::fstat(marked.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != info->uid) return {};
    const std::string path = "/proc/self/fd/" + std::to_string(marked.get());
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
}

void PerfMap::read_on(const UniqueFd& root) {
    const UniqueFd file = open(root);
    struct stat status;
    if (!file || ::fstat(file.get(), &status) != 0) return;
    if (status.st_ino != inode_ || status.st_size < read_) {
        code_.clear();
        read_ = 0;
        inode_ = status.st_ino;
    }
    std::string block(kBlockBytes, '\0');
    while (read_ < std::min(status.st_size, kMaxFileBytes)) {
        const ssize_t got = ::pread(file.get(), block.data(), block.size(), read_);
        if (got <= 0) return;
        const std::size_t taken = add(std::string_view(block).substr(0, static_cast<std::size_t>(got)));
        if (taken == 0 && static_cast<std::size_t>(got) < block.size()) return;  // the rest of the line is still to be written
        read_ += static_cast<off_t>(taken == 0 ? block.size() : taken);
    }
}

std::size_t PerfMap::add(std::string_view lines) {
    std::size_t taken = 0;
    for (std::size_t end; (end = lines.find('\n', taken)) != lines.npos; taken = end + 1) {
        std::string_view line = lines.substr(taken, end - taken);
        std::uint64_t start = 0, size = 0;
        if (!take_number(line, start) || !take_number(line, size) || size == 0 || start + size < start) continue;
        if (code_.size() < kMaxEntries) place(start, {start + size, std::string(line.substr(0, kMaxNameBytes))});
    }
    return taken;
}

// A compiler throws code away and puts other code in its place.
void PerfMap::place(std::uint64_t start, Code code) {
    auto at = code_.upper_bound(start);
    if (at != code_.begin() && std::prev(at)->second.end > start) --at;
    while (at != code_.end() && at->first < code.end) at = code_.erase(at);
    code_.emplace(start, std::move(code));
}

}  // namespace memtrace
