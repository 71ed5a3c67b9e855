#include "control/client.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "control/socket_path.hpp"

namespace memtrace::control {
namespace {

constexpr std::size_t longest_answer = std::size_t{1} << 30;

Error nobody(int pid, const std::filesystem::path& path) {
    if (pid == 0) return Error{"no tracer listens on " + path.string()};
    const std::string number = std::to_string(pid);
    return Error{"nobody traces pid " + number, "`sudo memtrace-bpf start -p " + number + "` does, in the background"};
}

Error ended() { return Error{"the tracer has ended before it answered"}; }

}  // namespace

Result<Client> Client::connect(int pid, const std::filesystem::path& elsewhere) {
    const std::filesystem::path path = elsewhere.empty() ? socket_of(pid) : elsewhere;
    Result<UniqueFd> fd = connect_to(path, true);
    if (!fd) return std::move(fd).error();
    if (!*fd) return elsewhere.empty() ? nobody(pid, path) : nobody(0, path);
    return Client(*std::move(fd));
}

// False: there is no more.
Result<bool> Client::read_more() {
    std::array<char, 64 * 1024> piece;
    while (true) {
        const ssize_t size = recv(fd_.get(), piece.data(), piece.size(), 0);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno != ECONNRESET) return errno_error("reading the tracer's answer", errno);
        if (size <= 0) return false;
        in_.append(piece.data(), static_cast<std::size_t>(size));
        return true;
    }
}

Result<Client::Reply> Client::ask(const Request& request) {
    const std::string line = print_request(request) + "\n";
    std::size_t sent = 0;
    while (sent < line.size()) {
        const ssize_t size = send(fd_.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) break;  // it may have answered before it closed: a refusal
        sent += static_cast<std::size_t>(size);
    }
    std::size_t end = 0;
    while ((end = in_.find('\n')) == std::string::npos) {
        const Result<bool> more = read_more();
        if (!more) return more.error();
        if (!*more) return ended();
        if (in_.size() > longest_answer) return Error{"the tracer's answer is too long"};
    }
    Result<Json> json = parse_object(std::string_view(in_).substr(0, end));
    if (!json) return std::move(json).error().in("the tracer's answer");
    in_.erase(0, end + 1);
    const auto ok = json->find("ok");
    if (ok == json->end() || *ok != true) return Error{text_of(*json, "error"), text_of(*json, "hint")};
    const std::uint64_t wanted = count_of(*json, "bytes");
    if (wanted > longest_answer) return Error{"the tracer's answer is too long"};
    while (in_.size() < wanted) {
        const Result<bool> more = read_more();
        if (!more) return more.error();
        if (!*more) return ended();
    }
    Reply reply{*std::move(json), in_.substr(0, wanted)};
    in_.erase(0, wanted);
    return reply;
}

bool Client::wait_for_end(std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
        if (left <= 0) return false;
        pollfd event{fd_.get(), POLLIN, 0};
        if (poll(&event, 1, static_cast<int>(std::min<long>(left, 1 << 30))) <= 0) continue;
        const Result<bool> more = read_more();
        if (!more || !*more) return true;
    }
}

}  // namespace memtrace::control
