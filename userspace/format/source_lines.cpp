#include "format/source_lines.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "util/invoker.hpp"
#include "util/unique_fd.hpp"

namespace memtrace {
namespace {

constexpr std::size_t kLargestFile = 16 << 20;
constexpr std::size_t kMostFiles = 1000;
constexpr std::size_t kLongestLine = 500;
// Opening a fifo must not wait for its writer.
constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
constexpr std::string_view kWhiteSpace = " \t\n\r\f\v";

// Symbolic links are followed below the folder alone: what the process cannot see, nobody is shown.
UniqueFd open_below(int folder, const std::string& path, std::uint64_t resolve) {
    open_how how{};
    how.flags = kOpenFlags;
    how.resolve = resolve | RESOLVE_NO_MAGICLINKS;
    return UniqueFd(static_cast<int>(::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how)));
}

bool same_folder(int folder, const char* path) {
    struct stat a {
    }, b{};
    return ::fstatat(folder, path, &a, 0) == 0 && ::stat("/", &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace

SourceLines SourceLines::of_process(int pid) {
    SourceLines lines;
    lines.process_ = UniqueFd(::open(("/proc/" + std::to_string(pid)).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    lines.is_here_ = !lines.process_ || same_folder(lines.process_.get(), "root");
    return lines;
}

UniqueFd SourceLines::open(const std::string& path) const {
    const bool absolute = path.starts_with('/');
    UniqueFd folder;
    // Looking through these links takes our own rights, opening files only those of the user. They are not kept: nobody could unmount them.
    if (process_) folder = UniqueFd(::openat(process_.get(), absolute ? "root" : "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC));
    const AsInvoker user;
    if (user.failed()) return {};
    if (folder) return open_below(folder.get(), path, absolute ? RESOLVE_IN_ROOT : RESOLVE_BENEATH);
    if (!is_here_ || (process_ && !absolute)) {
        errno = ESRCH;
        return {};
    }
    return UniqueFd(::open(path.c_str(), kOpenFlags));
}

SourceLines::File SourceLines::read(const std::string& path) const {
    File file;
    file.problem = "the file has no name";
    if (path.empty() || path.find('\0') != std::string::npos) return file;
    const UniqueFd fd = open(path);
    const int error = errno;
    struct stat status {};
    if (!fd) {
        file.problem = path + ": " + (error == ESRCH ? "the process has ended" : std::strerror(error));
        return file;
    }
    if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || static_cast<std::size_t>(status.st_size) > kLargestFile) {
        file.problem = path + " is no file of source lines";
        return file;
    }
    file.problem.clear();
    file.text.resize(static_cast<std::size_t>(status.st_size));
    std::size_t have = 0;
    while (have < file.text.size()) {
        const ssize_t got = ::read(fd.get(), file.text.data() + have, file.text.size() - have);
        if (got <= 0) break;
        have += static_cast<std::size_t>(got);
    }
    file.text.resize(have);
    // Python's universal newlines.
    for (std::size_t at = 0; at < have;) {
        file.starts.push_back(at);
        at = file.text.find_first_of("\r\n", at);
        if (at == std::string::npos) break;
        at += file.text.compare(at, 2, "\r\n") == 0 ? 2 : 1;
    }
    file.starts.push_back(have);
    return file;
}

std::string_view SourceLines::File::line(std::uint32_t number) const {
    if (number == 0 || number >= starts.size()) return {};
    return std::string_view(text).substr(starts[number - 1], starts[number] - starts[number - 1]);
}

const SourceLines::File& SourceLines::file(std::string_view name) {
    auto known = files_.find(name);
    if (known == files_.end()) {
        if (files_.size() >= kMostFiles) files_.clear();
        known = files_.emplace(name, read(std::string(name))).first;
    }
    return known->second;
}

std::string SourceLines::line(std::string_view name, std::uint32_t line) {
    std::string_view text = file(name).line(line);
    const std::size_t first = text.find_first_not_of(kWhiteSpace);
    if (first == std::string_view::npos) return {};
    text = text.substr(first, text.find_last_not_of(kWhiteSpace) - first + 1);
    return std::string(text.substr(0, kLongestLine));
}

SourceExcerpt SourceLines::around(std::string_view name, std::uint32_t line, unsigned around) {
    const File& file = this->file(name);
    SourceExcerpt excerpt;
    excerpt.problem = file.problem;
    if (!excerpt.problem.empty()) return excerpt;
    if (line == 0 || line >= file.starts.size()) {
        excerpt.problem = std::string(name) + " has no line " + std::to_string(line) + ": it has changed since the program read it";
        return excerpt;
    }
    excerpt.first = line > around ? line - around : 1;
    const auto last = static_cast<std::uint32_t>(std::min<std::uint64_t>(std::uint64_t{line} + around, file.starts.size() - 1));
    for (std::uint32_t number = excerpt.first; number <= last; ++number) {
        std::string_view text = file.line(number);
        text = text.substr(0, text.find_last_not_of("\r\n") + 1);
        excerpt.lines.emplace_back(text.substr(0, kLongestLine));
    }
    return excerpt;
}

}  // namespace memtrace
