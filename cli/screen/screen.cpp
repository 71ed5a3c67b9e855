#include "screen/screen.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "terminal.hpp"

namespace memtrace::cli::screen {

HeldMessages::HeldMessages() {
    if (!isatty(STDERR_FILENO)) return;
    held_ = UniqueFd(memfd_create("memtrace-bpf messages", MFD_CLOEXEC));
    if (!held_) return;
    own_ = UniqueFd(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    if (own_) dup2(held_.get(), STDERR_FILENO);
}

HeldMessages::~HeldMessages() {
    if (!own_) return;
    dup2(own_.get(), STDERR_FILENO);
    constexpr off_t most = 64 * 1024;
    off_t at = std::max<off_t>(0, lseek(held_.get(), 0, SEEK_END) - most);
    char text[4096];
    for (ssize_t got = 0; (got = pread(held_.get(), text, sizeof text, at)) > 0; at += got)
        if (write(STDERR_FILENO, text, static_cast<std::size_t>(got)) < 0) break;
}

std::string HeldMessages::latest() {
    if (!own_) return {};
    std::string line;
    char text[4096];
    for (ssize_t got = 0; (got = pread(held_.get(), text, sizeof text, read_)) > 0; read_ += got) line.append(text, static_cast<std::size_t>(got));
    while (!line.empty() && line.back() == '\n') line.pop_back();
    return line.substr(line.rfind('\n') + 1);
}

bool Screen::is_possible() { return Terminal::of(stdout).is_terminal && isatty(STDIN_FILENO); }

int Screen::input_fd() { return STDIN_FILENO; }

Result<std::unique_ptr<Screen>> Screen::open(Setup setup, Colour colour) {
    const Terminal terminal = Terminal::of(stdout, colour);
    Result<std::unique_ptr<Curses>> curses = Curses::open(terminal.colour);
    if (!curses) return std::move(curses).error();
    return std::unique_ptr<Screen>(new Screen(std::move(setup), *std::move(curses), terminal.unicode));
}

Screen::Screen(Setup setup, std::unique_ptr<Curses> curses, bool unicode)
    : messages_(std::make_unique<HeldMessages>()), curses_(std::move(curses)), model_(std::move(setup)), unicode_(unicode) {}

Action Screen::next_action() {
    while (const std::optional<Key> key = curses_->next_key()) {
        stale_ = true;
        Action action = model_.press(*key);
        if (action.what == Action::What::repaint)
            curses_->repaint();
        else if (action.what != Action::What::none)
            return action;
    }
    return {};
}

void Screen::paint() {
    stale_ = true;
    if (curses_->waits()) return;
    curses_->draw(model_.draw(curses_->columns(), curses_->rows(), unicode_));
    stale_ = false;
}

bool Screen::keep_up() {
    if (!curses_->write_on()) return false;
    if (const std::string message = messages_->latest(); !message.empty()) {
        model_.say(message, true);
        stale_ = true;
    }
    if (stale_) paint();
    return true;
}

void Screen::repaint() {
    curses_->repaint();
    paint();
}

void Screen::resize() {
    curses_->resize();
    paint();
}

void Screen::suspend() {
    curses_->suspend();
    kill(getpid(), SIGSTOP);
    curses_->resume();
    paint();
}

}  // namespace memtrace::cli::screen
