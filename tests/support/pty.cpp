#include "support/pty.hpp"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "support/catch.hpp"
#include "support/process.hpp"

namespace memtrace::test {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Pty::Pty(const std::vector<std::string>& command, unsigned columns, unsigned rows, const std::string& terminal) {
    winsize size{};
    size.ws_col = static_cast<unsigned short>(columns);
    size.ws_row = static_cast<unsigned short>(rows);
    pid_ = forkpty(&fd_, nullptr, nullptr, &size);
    REQUIRE(pid_ >= 0);
    if (pid_ > 0) return;
    setenv("TERM", terminal.c_str(), 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    unsetenv("NO_COLOR");
    std::vector<char*> words;
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    execv(words[0], words.data());
    _exit(127);
}

Pty::~Pty() {
    if (!reaped_) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    if (fd_ >= 0) close(fd_);
}

void Pty::type(const std::string& text) const { REQUIRE(write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size())); }

bool Pty::read_some(int timeout_ms) {
    pollfd input{fd_, POLLIN, 0};
    if (fd_ < 0 || poll(&input, 1, timeout_ms) <= 0) return false;
    char text[65536];
    const ssize_t got = read(fd_, text, sizeof text);
    if (got > 0) bytes_.append(text, static_cast<std::size_t>(got));
    return got > 0;
}

void Pty::wait_for(const std::string& text) {
    const auto deadline = Clock::now() + patience;
    while (bytes_.find(text) == std::string::npos && Clock::now() < deadline) read_some(20);
    INFO(bytes_);
    REQUIRE(bytes_.find(text) != std::string::npos);
}

void Pty::read_for(double seconds) {
    const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
    while (Clock::now() < deadline) read_some(10);
}

bool Pty::is_normal() const {
    termios modes{};
    return tcgetattr(fd_, &modes) == 0 && (modes.c_lflag & ICANON) && (modes.c_lflag & ECHO);
}

void Pty::hang_up() {
    close(fd_);
    fd_ = -1;
}

int Pty::wait() {
    const auto deadline = Clock::now() + patience;
    int status = 0;
    while (waitpid(pid_, &status, WNOHANG) == 0) {
        if (Clock::now() > deadline) FAIL("the program on the terminal does not end");
        if (!read_some(10) && fd_ < 0) usleep(10'000);
    }
    reaped_ = true;
    while (read_some(0)) {}
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace memtrace::test
