#include "control/socket_path.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "control/socket_address.hpp"

namespace memtrace::control {

std::filesystem::path socket_of(int pid) { return std::filesystem::path(socket_folder) / (std::to_string(pid) + ".sock"); }

std::filesystem::path log_of(int pid) { return std::filesystem::path(socket_folder) / (std::to_string(pid) + ".log"); }

Result<void> make_socket_folder() {
    const std::string folder = socket_folder;
    if (mkdir(folder.c_str(), 0755) == 0) {
        if (chmod(folder.c_str(), 0755) != 0) return errno_error("opening " + folder + " to all", errno);  // whatever the umask was
        return {};
    }
    if (errno != EEXIST) return errno_error("making " + folder, errno, "--socket PATH puts the socket elsewhere");
    struct stat status {};
    if (lstat(folder.c_str(), &status) != 0) return errno_error("looking at " + folder, errno);
    if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || status.st_mode & (S_IWGRP | S_IWOTH))
        return Error{folder + " is not a folder that only we may write to", "remove it, or put the socket elsewhere with --socket PATH"};
    return {};
}

Result<SocketAddress> SocketAddress::of(const std::filesystem::path& path) {
    SocketAddress address;
    address.name.sun_family = AF_UNIX;
    const std::string& text = path.native();
    if (text.empty() || text.size() >= sizeof address.name.sun_path)
        return Error{"\"" + text + "\" cannot be the name of a socket: it must have 1 to " + std::to_string(sizeof address.name.sun_path - 1) +
                     " bytes"};
    std::memcpy(address.name.sun_path, text.data(), text.size());
    return address;
}

Result<UniqueFd> connect_to(const std::filesystem::path& path, bool blocking) {
    const Result<SocketAddress> address = SocketAddress::of(path);
    if (!address) return address.error();
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0));
    if (!fd) return errno_error("making a socket", errno);
    int outcome = 0;
    do outcome = connect(fd.get(), address->pointer(), sizeof(sockaddr_un));
    while (outcome != 0 && errno == EINTR);
    if (outcome == 0 || errno == EAGAIN) return fd;  // EAGAIN: many wait there already
    if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) return UniqueFd();
    return errno_error("connecting to " + path.string(), errno);
}

}  // namespace memtrace::control
