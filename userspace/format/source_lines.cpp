#include "format/source_lines.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/invoker.hpp"
#include "util/unique_fd.hpp"

namespace memtrace {
namespace {

constexpr std::size_t kLargestFile = 16 << 20;
constexpr std::size_t kMostFiles = 1000;
constexpr std::size_t kLongestLine = 500;
constexpr std::string_view kWhiteSpace = " \t\n\r\f\v";

}  // namespace

SourceLines::File SourceLines::read(const std::string& path) {
    File file;
    if (path.empty() || path.find('\0') != std::string::npos) return file;
    const AsInvoker user;
    if (user.failed()) return file;
    // Opening a fifo must not wait for its writer.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || static_cast<std::size_t>(status.st_size) > kLargestFile) return file;
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

std::string SourceLines::line(std::string_view name, std::uint32_t line) {
    auto known = files_.find(name);
    if (known == files_.end()) {
        if (files_.size() >= kMostFiles) files_.clear();
        known = files_.emplace(name, read(std::string(name))).first;
    }
    const File& file = known->second;
    if (line == 0 || line >= file.starts.size()) return {};
    std::string_view text = std::string_view(file.text).substr(file.starts[line - 1], file.starts[line] - file.starts[line - 1]);
    const std::size_t first = text.find_first_not_of(kWhiteSpace);
    if (first == std::string_view::npos) return {};
    text = text.substr(first, text.find_last_not_of(kWhiteSpace) - first + 1);
    return std::string(text.substr(0, kLongestLine));
}

}  // namespace memtrace
