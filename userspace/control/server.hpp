// Serves the peers of a tracer's socket without ever waiting for one of them: part of the tracer's one loop.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "control/listener.hpp"

namespace memtrace::control {

/// Who asks, as the kernel tells it (SO_PEERCRED, in our namespaces).
struct Peer {
    uid_t uid = static_cast<uid_t>(-1);
    int pid = 0;  ///< 0: not visible from here.
};

struct Answer {
    std::string line;   ///< Without its end.
    std::string bytes;  ///< Behind the line.
};

struct ServerLimits {
    std::size_t peers = 1024;
    std::size_t line_bytes = 64 * 1024;
    std::size_t unfinished_bytes = std::size_t{8} << 20;    ///< Of all requests whose end has not come; short ones always have room.
    std::size_t waiting_bytes = std::size_t{256} << 20;     ///< Of all answers that peers have not taken yet; a single one may be larger.
    std::chrono::milliseconds patience{10'000};             ///< To take an answer (and a second more for each MiB), or to complete a request.
    std::chrono::milliseconds idle_while_others_wait{500};  ///< Then the place of a peer that says nothing goes to one that waits.
};

/// Not moved: the kernel knows its peers by their places.
class Server {
public:
    using Clock = std::chrono::steady_clock;
    /// Whether a peer is listened to at all.
    using Admits = std::function<bool(const Peer&)>;
    using Answers = std::function<Answer(const Peer&, std::string_view line)>;

    static Result<std::unique_ptr<Server>> open(Listener listener, Admits admits, Answers answers, const ServerLimits& limits = {});
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    /// Readable when there is something for handle() to do. Without news, handle() is to be called some times a second for its time limits.
    [[nodiscard]] int poll_fd() const { return epoll_.get(); }
    /// Takes new peers, reads, answers at most one request of each, writes.
    void handle();
    [[nodiscard]] Listener& listener() { return listener_; }
    [[nodiscard]] std::size_t peers() const;

private:
    struct Connection {
        UniqueFd fd;
        Peer peer;
        std::string in;
        std::string out;
        std::size_t sent = 0;
        bool refused = false;      ///< What follows is not read: it goes when it has taken its answer.
        bool half_closed = false;  ///< It will not ask any more.
        Clock::time_point since;   ///< Of what is waited for: the rest of a request, the taking of an answer, a request.
        [[nodiscard]] bool answering() const { return sent < out.size(); }
    };
    Server(Listener listener, Admits admits, Answers answers, const ServerLimits& limits);
    void accept_peers();
    void admit(UniqueFd fd);
    [[nodiscard]] bool others_wait() const;
    void drop_longest_idle();
    void serve(std::size_t place, unsigned events);
    bool read_from(Connection& connection);
    void answer(Connection& connection);
    bool write_to(Connection& connection);
    void refuse(Connection& connection, std::string line);
    void watch(std::size_t place);
    void drop_late();
    [[nodiscard]] std::size_t waiting_bytes() const;
    [[nodiscard]] std::size_t unfinished_bytes() const;

    Admits admits_;
    Answers answers_;
    ServerLimits limits_;
    UniqueFd epoll_;
    bool listening_ = true;
    std::size_t first_ = 0;  ///< Whose requests that were read already come first.
    std::vector<std::unique_ptr<Connection>> places_;
    Listener listener_;  ///< Last: a peer that sees its connection close finds no socket any more.
};

}  // namespace memtrace::control
