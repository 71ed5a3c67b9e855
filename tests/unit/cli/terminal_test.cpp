// Widths of text in columns, cutting it on the left, and what a stream is found to be.
#include "cli/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <initializer_list>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/locale.hpp"

using memtrace::cli::display_width;
using memtrace::cli::keep_right;
using memtrace::cli::Terminal;
using memtrace::test::Locale;

namespace {

// Environment variables for one rule; nullptr: not set.
class Environment {
public:
    Environment(std::initializer_list<std::pair<const char*, const char*>> variables) {
        for (const auto& [name, value] : variables) {
            const char* before = std::getenv(name);
            before_.push_back({name, before ? before : "", before != nullptr});
            set(name, value);
        }
    }
    ~Environment() {
        for (const Saved& saved : before_) set(saved.name.c_str(), saved.present ? saved.value.c_str() : nullptr);
    }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

private:
    struct Saved {
        std::string name, value;
        bool present;
    };
    static void set(const char* name, const char* value) {
        if (value)
            ::setenv(name, value, 1);
        else
            ::unsetenv(name);
    }
    std::vector<Saved> before_;
};

// A stream on a terminal of our own.
class PseudoTerminal {
public:
    PseudoTerminal() {
        master_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (master_ < 0 || ::grantpt(master_) != 0 || ::unlockpt(master_) != 0) memtrace::test::skip("no pseudo-terminals here");
        stream_ = ::fdopen(::open(::ptsname(master_), O_RDWR | O_NOCTTY | O_CLOEXEC), "w");
        if (!stream_) memtrace::test::skip("no pseudo-terminals here");
    }
    ~PseudoTerminal() {
        if (stream_) std::fclose(stream_);
        if (master_ >= 0) ::close(master_);
    }
    PseudoTerminal(const PseudoTerminal&) = delete;
    PseudoTerminal& operator=(const PseudoTerminal&) = delete;
    [[nodiscard]] std::FILE* stream() const { return stream_; }
    void resize(unsigned short columns) const {
        const winsize size{24, columns, 0, 0};
        REQUIRE(::ioctl(master_, TIOCSWINSZ, &size) == 0);
    }

private:
    int master_ = -1;
    std::FILE* stream_ = nullptr;
};

}  // namespace

RULE("in a UTF-8 locale a character takes one column, a wide one two, a combining one none") {
    const Locale locale("C.UTF-8");
    CHECK(display_width("") == 0);
    CHECK(display_width("abc") == 3);
    CHECK(display_width("naïve … │ ·") == 11);
    CHECK(display_width("日本語") == 6);
    CHECK(display_width("e\u0301") == 1);
    CHECK(display_width("\U0001f40d") == 2);
}

RULE("bytes that are no characters count one each") {
    const Locale locale("C.UTF-8");
    CHECK(display_width("\xff\xfe") == 2);
    CHECK(display_width("a\xc3") == 2);  // cut in the middle
    CHECK(display_width(std::string(3, '\0')) == 3);
    CHECK(display_width("\x1b[1m") == 4);
}

RULE("a text that fits is not touched") {
    const Locale locale("C.UTF-8");
    CHECK(keep_right("shop/cache.py", 13, true) == "shop/cache.py");
    CHECK(keep_right("shop/cache.py", 80, true) == "shop/cache.py");
    CHECK(keep_right("日本", 4, true) == "日本");
    CHECK(keep_right("", 0, true).empty());
}

RULE("of a longer text the end is kept, behind a mark, in exactly the columns there are") {
    const Locale locale("C.UTF-8");
    CHECK(keep_right("shop/cache.py", 12, true) == "…op/cache.py");
    CHECK(keep_right("shop/cache.py", 4, true) == "….py");
    CHECK(keep_right("shop/cache.py", 4, false) == "~.py");
    CHECK(keep_right("shop/cache.py", 1, true) == "…");
    CHECK(keep_right("shop/cache.py", 0, true).empty());
    CHECK(keep_right("shop/cache.py", 0, false).empty());
}

RULE("a wide character is kept whole or not at all, and the result is never too wide") {
    const Locale locale("C.UTF-8");
    CHECK(keep_right("日本語.py", 8, true) == "…本語.py");
    CHECK(keep_right("日本語.py", 7, true) == "…語.py");
    CHECK(keep_right("日本語.py", 6, true) == "…語.py");
    const std::string text = "a日e\u0301\xff\U0001f40d/é.py";
    for (std::size_t columns = 0; columns <= display_width(text); ++columns) {
        const std::string kept = keep_right(text, columns, true);
        INFO(columns << " " << kept);
        CHECK(display_width(kept) <= columns);
        CHECK(display_width(kept) + 2 > columns);  // one column short at most, beside a wide character
    }
}

RULE("what is no terminal has no columns and no colours") {
    const Environment environment{{"TERM", "xterm"}, {"NO_COLOR", nullptr}, {"LC_ALL", "C.UTF-8"}};
    std::FILE* file = std::tmpfile();
    REQUIRE(file != nullptr);
    const Terminal terminal = Terminal::of(file);
    std::fclose(file);
    CHECK_FALSE(terminal.is_terminal);
    CHECK_FALSE(terminal.colour);
    CHECK(terminal.columns == 0);
    CHECK(terminal.unicode);
}

RULE("a terminal has its own width, and 80 columns where it does not say") {
    const Environment environment{{"TERM", "xterm"}, {"NO_COLOR", nullptr}, {"LC_ALL", "C.UTF-8"}};
    const PseudoTerminal pty;
    pty.resize(123);
    CHECK(Terminal::of(pty.stream()).is_terminal);
    CHECK(Terminal::of(pty.stream()).columns == 123);
    pty.resize(0);
    CHECK(Terminal::of(pty.stream()).columns == 80);
}

RULE("NO_COLOR takes the colours away when it is not empty") {
    const PseudoTerminal pty;
    for (const auto& [value, colour] : {std::pair<const char*, bool>{nullptr, true}, {"", true}, {"1", false}, {"0", false}}) {
        const Environment environment{{"TERM", "xterm"}, {"NO_COLOR", value}};
        CHECK(Terminal::of(pty.stream()).colour == colour);
    }
}

RULE("a dumb terminal, or one of no known kind, is treated as a file") {
    const PseudoTerminal pty;
    for (const char* kind : {"dumb", static_cast<const char*>(nullptr)}) {
        const Environment environment{{"TERM", kind}};
        const Terminal terminal = Terminal::of(pty.stream());
        CHECK_FALSE(terminal.is_terminal);
        CHECK(terminal.columns == 0);
    }
}

RULE("the locale's character set decides between Unicode and ASCII") {
    const Locale keep("C");
    const PseudoTerminal pty;
    {
        const Environment environment{{"TERM", "xterm"}, {"LC_ALL", "C"}};
        CHECK_FALSE(Terminal::of(pty.stream()).unicode);
    }
    const Environment environment{{"TERM", "xterm"}, {"LC_ALL", "C.UTF-8"}};
    CHECK(Terminal::of(pty.stream()).unicode);
}
