#include "symbolizer/debuginfod.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "symbolizer/object_file.hpp"
#include "util/invoker.hpp"

namespace memtrace {
namespace {

constexpr std::size_t kMaxBuildIdBytes = 64;
constexpr std::size_t kMaxRequests = 256;
constexpr int kSocket = 3;  // in the fetching process
constexpr timeval kStartLimit{10, 0};

struct Reply {
    std::int32_t error = 0;  ///< 0: a file comes with it.
    std::uint32_t build_id_bytes = 0;
    std::array<std::byte, kMaxBuildIdBytes> build_id{};
};

/// Room for one file descriptor beside a message.
union Attached {
    cmsghdr header;
    std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

void send_reply(const Reply& reply, int file) {
    Reply copy = reply;
    iovec part{&copy, sizeof copy};
    Attached attached{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (file >= 0) {
        message.msg_control = &attached;
        message.msg_controllen = sizeof attached;
        attached.header.cmsg_level = SOL_SOCKET;
        attached.header.cmsg_type = SCM_RIGHTS;
        attached.header.cmsg_len = CMSG_LEN(sizeof file);
        std::memcpy(CMSG_DATA(&attached.header), &file, sizeof file);
    }
    if (::sendmsg(kSocket, &message, MSG_NOSIGNAL) < 0) ::_exit(1);
}

// The network is nobody's business to be root on, and the cache is the user's.
bool give_up_rights() {
    const std::optional<Invoker> user = invoker();
    if (!user) return true;
    if (const passwd* entry = ::getpwuid(user->uid)) ::setenv("HOME", entry->pw_dir, 1);
    return ::setgroups(0, nullptr) == 0 && ::setgid(user->gid) == 0 && ::setuid(user->uid) == 0;
}

// The library's interface is that of its header; it need not be there when we are built.
struct Library {
    void* (*begin)() = nullptr;
    int (*find_debuginfo)(void* client, const unsigned char* build_id, int bytes, char** path) = nullptr;

    bool load() {
        void* library = ::dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) return false;
        begin = reinterpret_cast<decltype(begin)>(::dlsym(library, "debuginfod_begin"));
        find_debuginfo = reinterpret_cast<decltype(find_debuginfo)>(::dlsym(library, "debuginfod_find_debuginfo"));
        return begin != nullptr && find_debuginfo != nullptr;
    }
};

[[noreturn]] void fetch(int socket, pid_t parent) {
    for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE}) std::signal(signal, SIG_IGN);
    ::dup2(socket, kSocket);
    ::fcntl(kSocket, F_SETFD, 0);
    ::syscall(SYS_close_range, kSocket + 1, ~0U, 0);
    const int quiet = ::open("/dev/null", O_RDWR);
    for (const int standard : {0, 1, 2}) ::dup2(quiet, standard);
    // Slow servers give up by themselves; the user's own limits are respected.
    ::setenv("DEBUGINFOD_TIMEOUT", "10", 0);
    ::setenv("DEBUGINFOD_MAXTIME", "60", 0);
    ::unsetenv("DEBUGINFOD_PROGRESS");
    ::unsetenv("DEBUGINFOD_VERBOSE");
    Library library;
    Reply ready;
    if (!give_up_rights()) ready.error = EPERM;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // other rights have reset it
    if (ready.error == 0 && !library.load()) ready.error = ELIBACC;
    void* client = ready.error == 0 ? library.begin() : nullptr;
    if (ready.error == 0 && client == nullptr) ready.error = ENOMEM;
    send_reply(ready, -1);
    std::array<std::byte, kMaxBuildIdBytes> id{};
    while (client != nullptr && ::getppid() == parent) {
        const ssize_t bytes = ::recv(kSocket, id.data(), id.size(), 0);
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes <= 0) break;
        const int found = library.find_debuginfo(client, reinterpret_cast<const unsigned char*>(id.data()), static_cast<int>(bytes), nullptr);
        send_reply({found < 0 ? -found : 0, static_cast<std::uint32_t>(bytes), id}, found);
        if (found >= 0) ::close(found);
    }
    ::_exit(0);
}

// False: there is nothing now. An `end` is when the process has gone.
bool receive(int socket, int flags, Reply& reply, UniqueFd& file, bool& end) {
    iovec part{&reply, sizeof reply};
    Attached attached{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &attached;
    message.msg_controllen = sizeof attached;
    const ssize_t got = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    end = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    if (got <= 0) return false;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
        file = UniqueFd(fd);
    }
    return static_cast<std::size_t>(got) == sizeof reply && reply.build_id_bytes <= kMaxBuildIdBytes;
}

}  // namespace

Result<Debuginfod> Debuginfod::start() {
    const char* servers = std::getenv("DEBUGINFOD_URLS");
    if (servers == nullptr || *servers == '\0')
        return Error{"no servers to fetch debug files from: DEBUGINFOD_URLS is not set",
                     "sudo hides it unless told: sudo --preserve-env=DEBUGINFOD_URLS memtrace-bpf ..."};
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return errno_error("a socket for fetching debug files", errno);
    UniqueFd ours(pair[0]), theirs(pair[1]);
    const pid_t parent = ::getpid(), pid = ::fork();
    if (pid < 0) return errno_error("starting a process to fetch debug files", errno);
    if (pid == 0) fetch(theirs.get(), parent);
    theirs.reset();
    Debuginfod fetcher(UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))), std::move(ours));
    ::setsockopt(fetcher.socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kStartLimit, sizeof kStartLimit);
    Reply ready;
    UniqueFd none;
    bool end = false;
    if (!receive(fetcher.socket_.get(), 0, ready, none, end)) return Error{"the process that fetches debug files did not start"};
    if (ready.error == ELIBACC)
        return Error{"libdebuginfod.so.1 is not installed", "install it (Debian: libdebuginfod1), or trace without --debuginfod"};
    if (ready.error != 0) return errno_error("preparing to fetch debug files", ready.error);
    return fetcher;
}

Debuginfod::~Debuginfod() {
    if (!process_) return;
    ::syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(process_.get()), &info, WEXITED);
}

UniqueFd Debuginfod::find(std::span<const std::byte> build_id) {
    if (build_id.size() < 3 || build_id.size() > kMaxBuildIdBytes) return {};
    const BuildId id(build_id.begin(), build_id.end());
    const auto known = answers_.find(id);
    if (known != answers_.end()) return known->second.file ? UniqueFd(::fcntl(known->second.file.get(), F_DUPFD_CLOEXEC, 0)) : UniqueFd();
    if (gone_ || answers_.size() >= kMaxRequests) return {};
    if (::send(socket_.get(), id.data(), id.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) answers_.emplace(id, Answer{});
    return {};
}

bool Debuginfod::take() {
    bool any = false;
    Reply reply;
    UniqueFd file;
    bool end = false;
    while (!gone_ && receive(socket_.get(), MSG_DONTWAIT, reply, file, end)) {
        const auto asked = answers_.find(BuildId(reply.build_id.begin(), reply.build_id.begin() + reply.build_id_bytes));
        if (asked == answers_.end()) continue;
        // Opened again for what it is: it may be read, but that is for ObjectFile to decide.
        UniqueFd marked = file ? mark_file(AT_FDCWD, "/proc/self/fd/" + std::to_string(file.get())) : UniqueFd();
        asked->second.error = reply.error;
        asked->second.state = marked ? State::here : reply.error == ENOENT ? State::missing : State::failed;
        any = any || marked;
        asked->second.file = std::move(marked);
        file.reset();
    }
    if (end) gone();
    return any;
}

void Debuginfod::gone() {
    gone_ = true;
    for (auto& [id, answer] : answers_)
        if (answer.state == State::asked) answer = {State::failed, ECHILD, {}};
}

bool Debuginfod::is_waiting() const {
    return std::any_of(answers_.begin(), answers_.end(), [](const auto& entry) { return entry.second.state == State::asked; });
}

std::vector<std::string> Debuginfod::notes() const {
    std::size_t missing = 0, failed = 0, asked = 0;
    int error = 0;
    for (const auto& [id, answer] : answers_) {
        missing += answer.state == State::missing ? 1 : 0;
        asked += answer.state == State::asked ? 1 : 0;
        if (answer.state != State::failed) continue;
        ++failed;
        error = answer.error;
    }
    std::vector<std::string> notes;
    if (missing > 0) notes.push_back("the debuginfod servers do not have the debug files of " + std::to_string(missing) + " object files");
    if (failed > 0)
        notes.push_back(errno_error("the debug files of " + std::to_string(failed) + " object files could not be fetched by debuginfod", error).what);
    if (asked > 0) notes.push_back("the debug files of " + std::to_string(asked) + " object files are still being fetched by debuginfod");
    return notes;
}

}  // namespace memtrace
