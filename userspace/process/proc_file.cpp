#include "process/proc_file.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace memtrace {

Result<UniqueFd> open_process_directory(int pid) {
    const std::string path = "/proc/" + std::to_string(pid);
    UniqueFd directory(pid > 0 ? ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1);
    if (directory) return directory;
    if (pid <= 0 || errno == ENOENT || errno == ESRCH) {
        return Error{"no process with pid " + std::to_string(pid),
                     "it may have ended, or live in another pid namespace; `ps -e` lists what can be traced from here"};
    }
    return errno_error("cannot open " + path, errno);
}

Result<std::string> read_process_file(const UniqueFd& directory, const char* name, std::size_t limit_bytes) {
    UniqueFd file(::openat(directory.get(), name, O_RDONLY | O_CLOEXEC));
    if (!file) {
        const int code = errno;
        const bool rights = code == EACCES || code == EPERM;
        return errno_error(std::string("cannot open ") + name, code, rights ? "run as root (sudo)" : "");
    }
    std::string text;
    while (text.size() < limit_bytes) {
        const std::size_t old_size = text.size();
        // Growing by what is there already keeps the number of reads small; the kernel hands out at most a page or so each.
        const std::size_t step = std::min(limit_bytes - old_size, std::max<std::size_t>(4096, old_size));
        text.resize(old_size + step);
        const ssize_t got = ::read(file.get(), text.data() + old_size, step);
        text.resize(old_size + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got == 0) break;
        if (got < 0 && errno != EINTR) return errno_error(std::string("cannot read ") + name, errno);
    }
    return text;
}

}  // namespace memtrace
