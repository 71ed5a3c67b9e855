#include "display.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

namespace memtrace::cli {

bool Display::show(std::string text) {
    if (!write_on()) return false;
    if (!waiting_.empty()) {
        ++left_out_;
        return true;
    }
    waiting_ = std::move(text);
    return write_on();
}

bool Display::write_on() {
    if (waiting_.empty()) return true;
    if (std::fflush(stream_) != 0) return false;
    std::size_t written = 0;
    while (written < waiting_.size()) {
        pollfd room{fileno(stream_), POLLOUT, 0};
        if (poll(&room, 1, 0) == 0) break;
        // A pipe that has room takes so many bytes without waiting for more of it (pipe(7)).
        const ssize_t size = write(fileno(stream_), waiting_.data() + written, std::min<std::size_t>(waiting_.size() - written, PIPE_BUF));
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EAGAIN) break;
        if (size < 0) return false;
        written += static_cast<std::size_t>(size);
    }
    waiting_.erase(0, written);
    return true;
}

}  // namespace memtrace::cli
