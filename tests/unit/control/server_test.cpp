// A tracer's socket and the peers at it: right ones, wrong ones, slow ones, many.
#include "control/server.hpp"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <list>

#include "control/socket_path.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

using namespace memtrace;
using namespace memtrace::control;
using namespace memtrace::test;

namespace {

// "echo" of what is asked; "big" answers with 4 MiB behind the line.
class Subject {
public:
    explicit Subject(ServerLimits limits = {}) {
        Result<Listener> listener = Listener::open(0, folder_.file("s.sock"));
        REQUIRE(listener);
        Result<std::unique_ptr<Server>> server = Server::open(
            *std::move(listener), [this](const Peer& peer) { return admits && peer.uid == geteuid(); },
            [this](const Peer& peer, std::string_view line) {
                ++asked;
                REQUIRE(peer.pid == getpid());
                return Answer{"echo " + std::string(line), line == "big" ? std::string(4 << 20, 'b') : ""};
            },
            limits);
        REQUIRE(server);
        server_ = *std::move(server);
    }
    UniqueFd connect() {
        Result<UniqueFd> fd = connect_to(path(), false);
        REQUIRE(fd);
        return *std::move(fd);
    }
    std::string path() { return folder_.file("s.sock"); }
    Server& server() { return *server_; }
    void turn(int rounds = 3) {
        for (int i = 0; i < rounds; ++i) server_->handle();
    }
    // Serves until the descriptor gives `bytes`, or its end.
    std::string receive(int fd, std::size_t bytes) {
        std::string text;
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (text.size() < bytes && std::chrono::steady_clock::now() < deadline) {
            server_->handle();
            char piece[65536];
            const ssize_t size = recv(fd, piece, std::min(sizeof piece, bytes - text.size()), MSG_DONTWAIT);
            if (size == 0) break;
            if (size > 0) text.append(piece, static_cast<std::size_t>(size));
        }
        return text;
    }
    void close() { server_.reset(); }
    bool admits = true;
    unsigned asked = 0;

private:
    TemporaryFolder folder_;
    std::unique_ptr<Server> server_;
};

void say(const UniqueFd& fd, const std::string& text) {
    REQUIRE(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
}

bool is_closed(const UniqueFd& fd) {
    char byte = 0;
    return recv(fd.get(), &byte, 1, MSG_DONTWAIT) == 0;
}

}  // namespace

RULE("each line is answered, in order, however it is cut") {
    Subject subject;
    const UniqueFd peer = subject.connect();
    say(peer, "one\ntwo\nth");
    REQUIRE(subject.receive(peer.get(), 18) == "echo one\necho two\n");
    say(peer, "ree\n");
    REQUIRE(subject.receive(peer.get(), 11) == "echo three\n");
    for (const char c : std::string("slow\n")) {
        say(peer, std::string(1, c));
        subject.turn();
    }
    REQUIRE(subject.receive(peer.get(), 10) == "echo slow\n");
}

RULE("a peer that has said all it will say is answered, and then let go") {
    Subject subject;
    const UniqueFd peer = subject.connect();
    say(peer, "a\nbig\nb\n");
    shutdown(peer.get(), SHUT_WR);
    const std::string text = subject.receive(peer.get(), std::size_t{5} << 20);
    REQUIRE(text == "echo a\necho big\n" + std::string(4 << 20, 'b') + "echo b\n");
    REQUIRE(subject.server().peers() == 0);
}

RULE("a line too long is refused, and its peer let go; one that just fits is not") {
    Subject subject;
    const UniqueFd peer = subject.connect();
    const std::string fits(65536, 'x');
    std::size_t sent = 0;
    for (const std::string line = fits + "\n"; sent < line.size();) {
        const ssize_t size = send(peer.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (size > 0) sent += static_cast<std::size_t>(size);
        subject.turn(1);
    }
    REQUIRE(subject.receive(peer.get(), 5 + 65536 + 1) == "echo " + fits + "\n");
    const UniqueFd endless = subject.connect();
    for (int i = 0; i < 200; ++i) {
        (void)send(endless.get(), fits.data(), 4096, MSG_NOSIGNAL);
        subject.turn(1);
    }
    const std::string answer = subject.receive(endless.get(), 1000);
    REQUIRE(answer.find("65536") != std::string::npos);
    REQUIRE(is_closed(endless));
    REQUIRE(subject.asked == 1);
}

RULE("strangers are told so and take no place") {
    Subject subject;
    subject.admits = false;
    std::list<UniqueFd> strangers;
    for (int i = 0; i < 200; ++i) {
        strangers.push_back(subject.connect());
        subject.turn(1);
    }
    REQUIRE(subject.receive(strangers.front().get(), 1000).find("may not talk") != std::string::npos);
    REQUIRE(subject.server().peers() == 0);
    subject.admits = true;
    const UniqueFd peer = subject.connect();
    say(peer, "x\n");
    REQUIRE(subject.receive(peer.get(), 7) == "echo x\n");
    REQUIRE(subject.asked == 1);
}

RULE("peers that vanish at any moment are forgotten") {
    Subject subject;
    for (int i = 0; i < 300; ++i) {
        const UniqueFd peer = subject.connect();
        if (i % 3 == 1) say(peer, "half");
        if (i % 3 == 2) say(peer, "big\n");
        subject.turn(i % 2);
    }
    subject.turn(10);
    REQUIRE(subject.server().peers() == 0);
}

RULE("a thousand peers are all served: those without a place wait, and idle ones make room") {
    Subject subject({.peers = 64, .idle_while_others_wait = std::chrono::milliseconds(20)});
    std::list<UniqueFd> peers;
    unsigned answered = 0;
    for (int i = 0; i < 1000; ++i) {
        peers.push_back(subject.connect());
        (void)send(peers.back().get(), "q\n", 2, MSG_NOSIGNAL);
        if (i % 100 == 99) {
            for (const UniqueFd& peer : peers) answered += subject.receive(peer.get(), 7) == "echo q\n";
            REQUIRE(subject.server().peers() <= 64);
            peers.clear();
        }
    }
    REQUIRE(answered == 1000);
}

RULE("while all places are taken by peers that say nothing, one that asks is served soon") {
    Subject subject({.peers = 64, .idle_while_others_wait = std::chrono::milliseconds(50)});
    std::list<UniqueFd> idle;
    for (int i = 0; i < 64; ++i) idle.push_back(subject.connect());
    subject.turn();
    REQUIRE(subject.server().peers() == 64);
    const UniqueFd peer = subject.connect();
    say(peer, "x\n");
    REQUIRE(subject.receive(peer.get(), 7) == "echo x\n");
    REQUIRE(subject.server().peers() == 64);
}

RULE("a thousand peers at once that say half of something, or read nothing, leave room and time for another one") {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &files) == 0);
    Subject subject({.unfinished_bytes = 1 << 20});
    const std::string much(8000, 'x');
    std::list<UniqueFd> peers;
    unsigned refused = 0;
    for (int i = 0; i < 1000; ++i) {
        peers.push_back(subject.connect());
        const std::string text = i % 3 == 0 ? "half" : i % 3 == 1 ? much : "q\nq\nq\n";
        (void)send(peers.back().get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        subject.turn(1);
    }
    subject.turn(20);
    char piece[512];
    for (const UniqueFd& peer : peers) {
        const ssize_t size = recv(peer.get(), piece, sizeof piece, MSG_DONTWAIT);
        if (size > 0) refused += std::string_view(piece, static_cast<std::size_t>(size)).find("not come to an end") != std::string_view::npos;
    }
    CHECK(refused > 150);  // 1 MiB holds 131 of the 333 long halves
    CHECK(refused < 250);
    CHECK(subject.server().peers() == 1000 - refused);
    const auto begin = std::chrono::steady_clock::now();
    const UniqueFd peer = subject.connect();
    say(peer, "x\n");
    REQUIRE(subject.receive(peer.get(), 7) == "echo x\n");
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(1));
}

RULE("a peer that does not take its answer keeps nobody waiting, and is dropped in the end") {
    Subject subject({.patience = std::chrono::milliseconds(-3'900)});  // 4 s of it belong to the size of the answer
    const UniqueFd slow = subject.connect();
    say(slow, "big\n");
    subject.turn();
    REQUIRE(subject.server().peers() == 1);
    const UniqueFd peer = subject.connect();
    say(peer, "x\n");
    subject.turn();
    REQUIRE(subject.receive(peer.get(), 7) == "echo x\n");
    REQUIRE(subject.server().peers() == 2);
    REQUIRE(eventually([&] {
        subject.turn();
        return subject.server().peers() == 1;
    }));
    REQUIRE_FALSE(is_closed(peer));
}

RULE("half a request is waited for so long and no longer") {
    Subject subject({.patience = std::chrono::milliseconds(100)});
    const UniqueFd half = subject.connect();
    const UniqueFd idle = subject.connect();
    say(half, "ha");
    subject.turn();
    REQUIRE(subject.server().peers() == 2);
    REQUIRE(eventually([&] {
        subject.turn();
        return subject.server().peers() == 1;
    }));
    REQUIRE(is_closed(half));
    REQUIRE_FALSE(is_closed(idle));
}

RULE("answers that wait to be taken are bounded in their sum, and the refusal says what to do") {
    Subject subject({.waiting_bytes = std::size_t{6} << 20});
    const UniqueFd first = subject.connect(), second = subject.connect();
    say(first, "big\n");
    subject.turn();
    say(second, "big\n");
    const std::string answer = subject.receive(second.get(), 100);
    REQUIRE(answer.find("try again") != std::string::npos);
    REQUIRE(subject.receive(first.get(), 9 + (4 << 20)).size() == 9 + (4 << 20));
}

RULE("a dead tracer's socket is replaced, a living one's is an error, and another file stays") {
    const TemporaryFolder folder;
    const std::string path = folder.file("s.sock");
    {
        // A socket whose owner is gone without having removed it.
        Result<Listener> dead = Listener::open(0, path);
        REQUIRE(dead);
        REQUIRE(rename(path.c_str(), folder.file("kept").c_str()) == 0);
    }
    REQUIRE(rename(folder.file("kept").c_str(), path.c_str()) == 0);
    {
        const Result<Listener> first = Listener::open(0, path);
        if (!first) FAIL(first.error().what);
        struct stat status {};
        REQUIRE(lstat(path.c_str(), &status) == 0);
        REQUIRE(S_ISSOCK(status.st_mode));
        REQUIRE((status.st_mode & 0777) == 0666);
        const Result<Listener> second = Listener::open(0, path);
        REQUIRE_FALSE(second);
        REQUIRE(second.error().what.find("another memtrace-bpf") != std::string::npos);
        REQUIRE(std::filesystem::exists(path));
    }
    REQUIRE(folder.listing() == "");
    write_text(path, "mine");
    REQUIRE_FALSE(Listener::open(0, path));
    REQUIRE(read_text(path) == "mine");
    REQUIRE_FALSE(Listener::open(0, folder.file(std::string(200, 'x'))));
    REQUIRE_FALSE(Listener::open(0, folder.file("no/such/s.sock")));
}
