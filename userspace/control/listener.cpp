#include "control/listener.hpp"

#include <sys/stat.h>

#include <cerrno>

#include "control/socket_address.hpp"
#include "control/socket_path.hpp"

namespace memtrace::control {
namespace {

namespace fs = std::filesystem;

// Peers wait here while all places are taken.
constexpr int backlog = 1024;
constexpr int most_attempts = 3;  // the folder is removed by whoever leaves it empty, at any moment

// Whoever may connect is told by his credentials. The mask is the process's: nothing else makes files now.
int bind_open_to_all(int fd, const SocketAddress& address) {
    fchmod(fd, 0666);
    const mode_t mask = umask(0);
    const int outcome = bind(fd, address.pointer(), sizeof(sockaddr_un));
    const int code = outcome == 0 ? 0 : errno;
    umask(mask);
    return code;
}

// Removes what a dead tracer has left.
Result<void> make_way(const fs::path& path) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) return {};
    if (!S_ISSOCK(status.st_mode) && !S_ISLNK(status.st_mode)) return Error{path.string() + " is there already and is no socket"};
    const Result<UniqueFd> living = connect_to(path, false);
    if (!living) return living.error();
    if (*living)
        return Error{"another memtrace-bpf listens on " + path.string(), "`memtrace-bpf status` shows what it does, `memtrace-bpf stop` ends it"};
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error("removing the old " + path.string(), errno);
    return {};
}

}  // namespace

Result<Listener> Listener::open(int pid, const fs::path& elsewhere) {
    Listener listener;
    listener.in_folder_ = elsewhere.empty();
    const fs::path path = listener.in_folder_ ? socket_of(pid) : fs::absolute(elsewhere);
    const Result<SocketAddress> address = SocketAddress::of(path);
    if (!address) return address.error();
    listener.fd_ = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener.fd_) return errno_error("making a socket", errno);
    int code = ENOENT;
    for (int attempt = 0; attempt < most_attempts && code == ENOENT; ++attempt) {
        if (listener.in_folder_)
            if (Result<void> done = make_socket_folder(); !done) return std::move(done).error();
        if (Result<void> done = make_way(path); !done) return std::move(done).error();
        code = bind_open_to_all(listener.fd_.get(), *address);
        if (code == ENOENT && !listener.in_folder_) break;
    }
    if (code != 0) return errno_error("making the socket " + path.string(), code);
    listener.path_ = path;
    if (listen(listener.fd_.get(), backlog) != 0) return errno_error("listening on " + path.string(), errno);
    return listener;
}

void Listener::link(const std::vector<int>& pids) {
    if (!in_folder_) return;
    const std::set<int> wanted(pids.begin(), pids.end());
    for (auto at = links_.begin(); at != links_.end();) {
        if (!wanted.contains(*at)) unlink(*at);
        at = wanted.contains(*at) ? std::next(at) : links_.erase(at);
    }
    for (const int pid : wanted) {
        const fs::path name = socket_of(pid);
        if (links_.contains(pid) || name == path_) continue;
        // Another tracer's socket or link, or a leftover: what is dead gives way.
        if (!make_way(name)) continue;
        if (symlink(path_.filename().c_str(), name.c_str()) == 0) links_.insert(pid);
    }
}

// Only while it is still ours: a process of that number may have a tracer of its own now.
void Listener::unlink(int pid) const {
    const fs::path name = socket_of(pid);
    std::error_code code;
    if (fs::read_symlink(name, code) == path_.filename() && !code) ::unlink(name.c_str());
}

Listener::~Listener() {
    if (path_.empty()) return;
    for (const int pid : links_) unlink(pid);
    ::unlink(path_.c_str());
    if (in_folder_) ::rmdir(socket_folder);  // refused while others are in it
}

}  // namespace memtrace::control
