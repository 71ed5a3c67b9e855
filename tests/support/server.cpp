#include "support/server.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/catch.hpp"
#include "util/unique_fd.hpp"

namespace memtrace::test {
namespace {

UniqueFd connect_to(const std::string& path) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return {};
    path.copy(address.sun_path, path.size());
    if (!fd || connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
    const timeval limit{patience.count(), 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

pid_t child_of(pid_t parent) {
    pid_t child = -1;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(parent) + "/task"))
        if (std::ifstream children(thread.path() / "children"); children >> child) return child;
    return -1;
}

Arguments traced(const TemporaryFolder& folder, const Arguments& command, const Arguments& options) {
    Arguments all{"--socket", folder.file("tracer.sock")};
    all.insert(all.end(), options.begin(), options.end());
    all.emplace_back("--");
    all.insert(all.end(), command.begin(), command.end());
    return tracer_command(all);
}

}  // namespace

std::string installed(const std::string& program) {
    for (const char* folder : {"/usr/bin/", "/usr/sbin/", "/usr/local/bin/"})
        if (std::filesystem::exists(folder + program)) return folder + program;
    skip("not installed: " + program);
}

Server::Server(const TemporaryFolder& folder, const Arguments& command, const Arguments& options)
    : folder_(folder), tracer_(traced(folder, command, options)) {
    const bool listens = eventually([&] { return static_cast<bool>(connect_to(socket_in(folder))) || !tracer_.running(); });
    pid_ = child_of(tracer_.pid());
    if (!listens || pid_ < 0) {
        tracer_.signal(SIGINT);
        (void)tracer_.wait();
        FAIL("the server does not listen\n" << tracer_.transcript());
    }
}

Server::~Server() {
    if (pid_ > 0 && tracer_.running() && child_of(tracer_.pid()) == pid_) kill(pid_, SIGKILL);
}

void Server::end() {
    REQUIRE(kill(pid_, SIGTERM) == 0);
    const Ending ending = tracer_.wait();
    INFO(tracer_.transcript());
    REQUIRE_FALSE(ending.signaled);
}

std::string Server::ask(const std::string& text, const std::string& end) const {
    const UniqueFd fd = connect_to(socket_in(folder_));
    REQUIRE(fd);
    for (std::size_t sent = 0; sent < text.size();) {
        const ssize_t got = send(fd.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        REQUIRE(got > 0);
        sent += static_cast<std::size_t>(got);
    }
    std::string answer;
    char part[65536];
    while (answer.find(end) == std::string::npos) {
        const ssize_t got = recv(fd.get(), part, sizeof part, 0);
        if (got <= 0) break;
        answer.append(part, static_cast<std::size_t>(got));
    }
    INFO(answer.substr(0, 1000));
    REQUIRE(answer.find(end) != std::string::npos);
    return answer;
}

Snapshot Server::snapshot() const {
    const std::string file = folder_.file("now.pb.gz");
    Child asking = run(tracer_command({"snapshot", "--socket", folder_.file("tracer.sock"), "-o", file}));
    const Ending ending = asking.wait();
    INFO(asking.transcript());
    REQUIRE(ending == Ending{false, 0});
    return load_snapshot(file);
}

Arguments Server::with_mallinfo(const TemporaryFolder& folder, Arguments command) {
    const Arguments before{"/usr/bin/env", "LD_PRELOAD=" + workload_path("mallinfo.so"), "MEMTRACE_MALLINFO=" + folder.file("mallinfo")};
    command.insert(command.begin(), before.begin(), before.end());
    return command;
}

std::uint64_t Server::mallinfo() const {
    REQUIRE(kill(pid_, SIGRTMIN + 5) == 0);
    std::uint64_t bytes = 0;
    REQUIRE(eventually([&] {
        std::ifstream file(folder_.file("mallinfo"));
        std::string line;
        return std::getline(file, line) && !file.eof() && static_cast<bool>(std::istringstream(line) >> bytes);
    }));
    return bytes;
}

void require_within_one_percent(std::uint64_t seen, std::uint64_t truth) {
    INFO("seen " << seen << ", its own statistics " << truth);
    REQUIRE(seen > 0);
    REQUIRE((seen > truth ? seen - truth : truth - seen) * 100 <= truth);
}

}  // namespace memtrace::test
