#include "screen/curses.hpp"

#define NCURSES_NOMACROS 1
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <term.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <cwchar>

// term.h has these as macros.
#undef columns
#undef lines

namespace memtrace::cli::screen {
namespace {

// Foregrounds that can be read on light and dark backgrounds alike; the background is the terminal's own.
enum Pair : short { red = 1, green, cyan, magenta, blue, on_green, on_cyan, on_red };

struct Look {
    attr_t attributes;
    short pair;
};

Look look_of(Style style, bool colour) {
    if (!colour) {
        switch (style) {
            case Style::normal:
            case Style::spark:
            case Style::shrinks: return {A_NORMAL, 0};
            case Style::head: return {A_UNDERLINE, 0};
            case Style::head_sorted: return {A_UNDERLINE | A_BOLD, 0};
            case Style::loss:
            case Style::frozen: return {A_REVERSE | A_BOLD, 0};
            default: return {A_BOLD, 0};
        }
    }
    switch (style) {
        case Style::normal: return {A_NORMAL, 0};
        case Style::strong: return {A_BOLD, 0};
        case Style::title: return {A_BOLD, cyan};
        case Style::head: return {A_NORMAL, on_green};
        case Style::head_sorted: return {A_BOLD, on_green};
        case Style::large: return {A_BOLD, red};
        case Style::medium: return {A_BOLD, magenta};
        case Style::grows: return {A_NORMAL, red};
        case Style::shrinks: return {A_NORMAL, green};
        case Style::spark: return {A_NORMAL, cyan};
        case Style::mark: return {A_BOLD, magenta};
        case Style::loss: return {A_BOLD, on_red};
        case Style::key: return {A_BOLD, cyan};
        case Style::frozen: return {A_BOLD, on_red};
    }
    return {A_NORMAL, 0};
}

bool has_colour = false;

void start_colours(bool wanted) {
    has_colour = wanted && has_colors() && start_color() != ERR;
    if (!has_colour) return;
    const bool own = use_default_colors() != ERR;
    const short background = own ? -1 : COLOR_BLACK;
    init_pair(red, COLOR_RED, background);
    init_pair(green, COLOR_GREEN, background);
    init_pair(cyan, COLOR_CYAN, background);
    init_pair(magenta, COLOR_MAGENTA, background);
    init_pair(blue, COLOR_BLUE, background);
    init_pair(on_green, COLOR_BLACK, COLOR_GREEN);
    init_pair(on_cyan, COLOR_BLACK, COLOR_CYAN);
    init_pair(on_red, COLOR_WHITE, COLOR_RED);
}

Key of_mouse() {
    MEVENT event{};
    if (getmouse(&event) != OK) return {};
    Key key;
    key.row = static_cast<unsigned>(std::max(event.y, 0));
    key.column = static_cast<unsigned>(std::max(event.x, 0));
    if (event.bstate & BUTTON4_PRESSED)
        key.kind = Key::Kind::wheel_up;
    else if (event.bstate & BUTTON5_PRESSED)
        key.kind = Key::Kind::wheel_down;
    else if (event.bstate & (BUTTON1_DOUBLE_CLICKED | BUTTON1_TRIPLE_CLICKED))
        key.kind = Key::Kind::double_click;
    else if (event.bstate & (BUTTON1_PRESSED | BUTTON1_CLICKED))
        key.kind = Key::Kind::click;
    return key;
}

Key of_code(wint_t code) {
    using Kind = Key::Kind;
    switch (code) {
        case KEY_UP: return {Kind::up};
        case KEY_DOWN: return {Kind::down};
        case KEY_LEFT: return {Kind::left};
        case KEY_RIGHT: return {Kind::right};
        case KEY_PPAGE: return {Kind::page_up};
        case KEY_NPAGE: return {Kind::page_down};
        case KEY_HOME: return {Kind::home};
        case KEY_END: return {Kind::end};
        case KEY_ENTER: return {Kind::enter};
        case KEY_BACKSPACE: return {Kind::backspace};
        case KEY_F(1): return {Kind::help};
        case KEY_F(10): return {Kind::quit};
        case KEY_MOUSE: return of_mouse();
        default: return {};
    }
}

Key of_character(wint_t c) {
    switch (c) {
        case 27: return {Key::Kind::escape};
        case '\r':
        case '\n': return {Key::Kind::enter};
        case 8:
        case 127: return {Key::Kind::backspace};
        default: return {Key::Kind::character, static_cast<char32_t>(c)};
    }
}

}  // namespace

Curses::Curses() : display_(stdout) {}

Result<std::unique_ptr<Curses>> Curses::open(bool colour) {
    std::unique_ptr<Curses> curses(new Curses);
    if (Result<void> done = curses->start(colour); !done) return std::move(done).error();
    return curses;
}

Result<void> Curses::start(bool colour) {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return errno_error("standard input is no terminal", errno);
    // ncurses takes the modes of a terminal, and from then on writes into memory by the same descriptor.
    UniqueFd terminal(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
    memory_ = UniqueFd(memfd_create("memtrace-bpf screen", MFD_CLOEXEC));
    if (!terminal || !memory_) return errno_error("preparing the screen", errno);
    out_ = fdopen(terminal.get(), "w");
    if (!out_) return errno_error("preparing the screen", errno);
    const int fd = terminal.release();
    const char* kind = std::getenv("TERM");
    SCREEN* screen = newterm(kind, out_, stdin);
    if (!screen) return Error{std::string("terminals of the kind \"") + (kind ? kind : "") + "\" are not known here"};
    screen_ = screen;
    cbreak();
    noecho();
    nonl();
    if (tcgetattr(STDIN_FILENO, &ours_) != 0) return errno_error("the terminal's modes", errno);
    dup2(memory_.get(), fd);
    set_escdelay(25);
    typeahead(-1);  // a picture is drawn whole
    WINDOW* keys = newpad(1, 1);
    keys_ = keys;
    keypad(keys, TRUE);
    nodelay(keys, TRUE);
    mouseinterval(0);
    mousemask(BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON1_DOUBLE_CLICKED | BUTTON4_PRESSED | BUTTON5_PRESSED, nullptr);
    start_colours(colour);
    prepare_for_faults();
    resize();
    return {};
}

// The sequences that ncurses would write at its end, and the mouse's.
void Curses::prepare_for_faults() {
    std::string text_of_end;
    for (const char* name : {"sgr0", "rmkx", "cnorm", "rmcup"}) {
        char* const text = tigetstr(const_cast<char*>(name));
        if (text && text != reinterpret_cast<char*>(-1)) text_of_end += text;
    }
    // ncurses turns it off by a sequence of its own.
    text_of_end = "\033[?1000l\033[?1002l\033[?1006l" + text_of_end;
    fault_guard_.emplace(text_of_end, before_);
}

Curses::~Curses() {
    if (screen_) {
        suspend();
        fault_guard_.reset();
        delwin(static_cast<WINDOW*>(keys_));
        delscreen(static_cast<SCREEN*>(screen_));
    } else if (out_) {
        tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }
    if (out_) std::fclose(out_);
}

void Curses::ask_size() {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return;
    // Nobody has a larger one, and its owner may say anything.
    columns_ = std::min<unsigned>(size.ws_col, 1000);
    rows_ = std::min<unsigned>(size.ws_row, 500);
}

void Curses::resize() {
    ask_size();
    resizeterm(static_cast<int>(rows_), static_cast<int>(columns_));
    repaint();
}

void Curses::repaint() { clearok(curscr, TRUE); }

bool Curses::draw(const Canvas& canvas) {
    if (suspended_ || display_.waits()) return false;
    ::erase();
    for (std::size_t row = 0; row < canvas.lines.size() && row < rows_; ++row) {
        const Line& line = canvas.lines[row];
        ::move(static_cast<int>(row), 0);
        for (const Span& span : line.spans()) {
            Look look = look_of(span.style, has_colour);
            if (line.selected()) look = has_colour ? Look{A_NORMAL, on_cyan} : Look{A_REVERSE, 0};
            attr_set(look.attributes, look.pair, nullptr);
            addstr(span.text.c_str());
        }
    }
    attr_set(A_NORMAL, 0, nullptr);
    curs_set(canvas.cursor ? 1 : 0);
    if (canvas.cursor) ::move(static_cast<int>(rows_) - 1, static_cast<int>(std::min<std::size_t>(*canvas.cursor, columns_ - 1)));
    ::refresh();
    return flush();
}

// From memory to the terminal.
bool Curses::flush() {
    std::fflush(out_);
    const off_t size = lseek(memory_.get(), 0, SEEK_END);
    if (size <= 0) return true;
    std::string text(static_cast<std::size_t>(size), '\0');
    const ssize_t got = pread(memory_.get(), text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    // The descriptors share one offset.
    lseek(memory_.get(), 0, SEEK_SET);
    (void)!ftruncate(memory_.get(), 0);
    return display_.show(std::move(text));
}

bool Curses::write_on() { return display_.write_on(); }

std::optional<Key> Curses::next_key() {
    if (suspended_) return std::nullopt;
    wint_t code = 0;
    const int kind = wget_wch(static_cast<WINDOW*>(keys_), &code);
    flush();
    if (kind == ERR) return std::nullopt;
    return kind == KEY_CODE_YES ? of_code(code) : of_character(code);
}

void Curses::suspend() {
    if (suspended_) return;
    suspended_ = true;
    endwin();
    flush();
    // It may not be read: that is waited for, but not for long.
    for (int i = 0; display_.waits() && i < 20; ++i) {
        pollfd room{STDOUT_FILENO, POLLOUT, 0};
        poll(&room, 1, 10);
        if (!display_.write_on()) break;
    }
    (void)display_.take_rest();
    tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    if (fault_guard_) fault_guard_->disarm();
}

void Curses::resume() {
    if (!suspended_) return;
    suspended_ = false;
    tcsetattr(STDIN_FILENO, TCSANOW, &ours_);
    if (fault_guard_) fault_guard_->arm();
    keypad(static_cast<WINDOW*>(keys_), TRUE);
    resize();
}

}  // namespace memtrace::cli::screen
