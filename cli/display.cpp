#include "display.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

namespace memtrace::cli {

// Others write to the same pipe, and share its flags.
Display::Display(std::FILE* stream, std::size_t room) : stream_(stream), room_(room) {
    struct stat status {};
    if (fstat(fileno(stream), &status) != 0 || (!S_ISFIFO(status.st_mode) && !isatty(fileno(stream)))) return;
    const std::string name = "/proc/self/fd/" + std::to_string(fileno(stream));
    own_ = UniqueFd(open(name.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

bool Display::show(const std::string& text) {
    if (!write_on()) return false;
    if (waiting_.size() > room_) {
        ++left_out_;
        return true;
    }
    waiting_ += text;
    return write_on();
}

bool Display::write_on() {
    if (waiting_.empty()) return true;
    if (std::fflush(stream_) != 0) return false;
    std::size_t written = 0;
    while (written < waiting_.size()) {
        pollfd room{fd(), POLLOUT, 0};
        if (poll(&room, 1, 0) == 0) break;
        // A pipe that has room takes so many bytes without waiting for more of it (pipe(7)).
        const ssize_t size = write(fd(), waiting_.data() + written, std::min<std::size_t>(waiting_.size() - written, PIPE_BUF));
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EAGAIN) break;
        if (size < 0) return false;
        written += static_cast<std::size_t>(size);
    }
    waiting_.erase(0, written);
    return true;
}

}  // namespace memtrace::cli
