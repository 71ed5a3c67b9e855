#include "control/server.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "control/request.hpp"

namespace memtrace::control {
namespace {

constexpr std::uint64_t listener_number = UINT64_MAX;
constexpr std::size_t most_accepted = 64;      // at a time: the tracer has other work
constexpr std::size_t most_written = 1 << 20;  // to one peer at a time
constexpr std::size_t short_request = 1024;    // what people ask for fits
constexpr std::size_t mebibyte = 1 << 20;
// Then the tracer's other work has its turn, however many ask. What was not served is told of again.
constexpr auto longest_turn = std::chrono::milliseconds(50);

Peer peer_of(int fd) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return {};
    return {credentials.uid, credentials.pid};
}

}  // namespace

Result<std::unique_ptr<Server>> Server::open(Listener listener, Admits admits, Answers answers, const ServerLimits& limits) {
    std::unique_ptr<Server> server(new Server(std::move(listener), std::move(admits), std::move(answers), limits));
    server->epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
    if (!server->epoll_) return errno_error("watching the socket", errno);
    epoll_event event{EPOLLIN, {.u64 = listener_number}};
    if (epoll_ctl(server->epoll_.get(), EPOLL_CTL_ADD, server->listener_.fd(), &event) != 0) return errno_error("watching the socket", errno);
    return server;
}

Server::Server(Listener listener, Admits admits, Answers answers, const ServerLimits& limits)
    : admits_(std::move(admits)), answers_(std::move(answers)), limits_(limits), places_(limits.peers), listener_(std::move(listener)) {}

Server::~Server() = default;

std::size_t Server::peers() const {
    return static_cast<std::size_t>(std::count_if(places_.begin(), places_.end(), [](const auto& place) { return place != nullptr; }));
}

std::size_t Server::waiting_bytes() const {
    std::size_t bytes = 0;
    for (const auto& place : places_)
        if (place) bytes += place->out.size() - place->sent;
    return bytes;
}

std::size_t Server::unfinished_bytes() const {
    std::size_t bytes = 0;
    for (const auto& place : places_)
        if (place) bytes += place->in.size();
    return bytes;
}

void Server::handle() {
    const Clock::time_point enough = Clock::now() + longest_turn;
    std::array<epoll_event, 128> events{};
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count && Clock::now() < enough; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.u64 != listener_number) serve(static_cast<std::size_t>(event.data.u64), event.events);
    }
    // A peer may have sent several requests at once: no further news comes of those that were read with the first.
    // Another one is the first each time, so that none of them waits for ever.
    for (std::size_t i = 0; i < places_.size() && Clock::now() < enough; ++i) {
        first_ = (first_ + 1) % places_.size();
        if (places_[first_] && !places_[first_]->answering() && places_[first_]->in.find('\n') != std::string::npos) serve(first_, 0);
    }
    drop_late();
    accept_peers();
}

void Server::accept_peers() {
    for (std::size_t i = 0; i < most_accepted; ++i) {
        if (peers() == places_.size()) {
            if (others_wait()) drop_longest_idle();
            // The others wait in the socket's queue: it would be readable for ever.
            if (peers() == places_.size()) break;
        }
        UniqueFd fd(accept4(listener_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!fd) break;  // none waits, or no descriptor is left: tried again with the next news
        admit(std::move(fd));
    }
    const bool listens = peers() < places_.size();
    if (listens == listening_) return;
    epoll_event event{listens ? static_cast<std::uint32_t>(EPOLLIN) : 0U, {.u64 = listener_number}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener_.fd(), &event) == 0) listening_ = listens;
}

// Strangers take no place.
void Server::admit(UniqueFd fd) {
    const Peer peer = peer_of(fd.get());
    if (!admits_(peer)) {
        const std::string line = print_refusal({"user " + std::to_string(peer.uid) + " may not talk to this tracer",
                                                "only root and the owner of the traced process may"}) +
                                 "\n";
        (void)send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL);  // a new socket's buffer takes it
        return;
    }
    const auto free = std::find(places_.begin(), places_.end(), nullptr);
    const auto place = static_cast<std::size_t>(free - places_.begin());
    *free = std::make_unique<Connection>();
    (*free)->fd = std::move(fd);
    (*free)->peer = peer;
    (*free)->since = Clock::now();
    epoll_event event{EPOLLIN | EPOLLRDHUP, {.u64 = place}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, (*free)->fd.get(), &event) != 0) free->reset();
}

bool Server::others_wait() const {
    pollfd event{listener_.fd(), POLLIN, 0};
    return poll(&event, 1, 0) > 0;
}

void Server::drop_longest_idle() {
    std::unique_ptr<Connection>* longest = nullptr;
    for (auto& place : places_)
        if (place && !place->answering() && place->in.empty() && (!longest || place->since < (*longest)->since)) longest = &place;
    if (longest && Clock::now() - (*longest)->since >= limits_.idle_while_others_wait) longest->reset();
}

void Server::serve(std::size_t place, unsigned events) {
    Connection* connection = place < places_.size() ? places_[place].get() : nullptr;
    if (!connection) return;
    bool good = !(events & (EPOLLERR | EPOLLHUP));
    if (good && events & (EPOLLIN | EPOLLRDHUP) && !connection->answering()) good = read_from(*connection);
    if (good && !connection->answering() && !connection->refused) answer(*connection);
    if (good) good = write_to(*connection);
    const bool has_request = connection->in.find('\n') != std::string::npos;
    const bool done = !connection->answering() && (connection->refused || (connection->half_closed && !has_request));
    if (!good || done)
        places_[place].reset();
    else
        watch(place);
}

// While an answer waits to be taken nothing more is read: a peer has one request at a time in our memory.
void Server::watch(std::size_t place) {
    const Connection& connection = *places_[place];
    const std::uint32_t reading = connection.half_closed ? 0U : static_cast<std::uint32_t>(EPOLLIN | EPOLLRDHUP);
    epoll_event event{connection.answering() ? static_cast<std::uint32_t>(EPOLLOUT) : reading, {.u64 = place}};
    (void)epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.fd.get(), &event);
}

// False: it is gone.
bool Server::read_from(Connection& connection) {
    std::array<char, 16 * 1024> piece;
    while (connection.in.size() <= limits_.line_bytes) {
        const ssize_t size = recv(connection.fd.get(), piece.data(), piece.size(), 0);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return errno == EAGAIN;
        if (size == 0) {
            connection.half_closed = true;
            return true;
        }
        if (connection.in.empty()) connection.since = Clock::now();
        connection.in.append(piece.data(), static_cast<std::size_t>(size));
    }
    return true;
}

void Server::answer(Connection& connection) {
    const std::size_t end = connection.in.find('\n');
    if (std::min(end, connection.in.size()) > limits_.line_bytes) return refuse(connection, "a request has at most 65536 bytes");
    if (end == std::string::npos && connection.in.size() > short_request && unfinished_bytes() > limits_.unfinished_bytes)
        return refuse(connection, "too many long requests have not come to an end");
    if (end == std::string::npos) return;
    Answer answer = answers_(connection.peer, std::string_view(connection.in).substr(0, end));
    connection.in.erase(0, end + 1);
    const std::size_t waiting = waiting_bytes();
    if (waiting > 0 && waiting + answer.bytes.size() > limits_.waiting_bytes)
        answer = {print_refusal({"too many large answers wait to be taken by others", "try again in a moment"}), ""};
    connection.out = std::move(answer.line);
    connection.out += '\n';
    connection.out += answer.bytes;
    connection.sent = 0;
    connection.since = Clock::now();
}

void Server::refuse(Connection& connection, std::string line) {
    connection.out = print_refusal({std::move(line)}) + "\n";
    connection.sent = 0;
    connection.in.clear();
    connection.refused = true;
    connection.since = Clock::now();
}

bool Server::write_to(Connection& connection) {
    std::size_t written = 0;
    while (connection.answering() && written < most_written) {
        const ssize_t size = send(connection.fd.get(), connection.out.data() + connection.sent, connection.out.size() - connection.sent,
                                  MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return errno == EAGAIN;
        connection.sent += static_cast<std::size_t>(size);
        written += static_cast<std::size_t>(size);
    }
    if (connection.answering() || connection.out.empty()) return true;
    connection.out = {};
    connection.sent = 0;
    connection.since = Clock::now();
    return true;
}

void Server::drop_late() {
    const Clock::time_point now = Clock::now();
    for (auto& place : places_) {
        if (!place || (!place->answering() && place->in.empty())) continue;
        const auto patience = limits_.patience + std::chrono::seconds(place->out.size() / mebibyte);
        if (now - place->since > patience) place.reset();
    }
}

}  // namespace memtrace::control
