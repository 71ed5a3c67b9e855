#include "terminal.hpp"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <cstring>
#include <cwchar>

namespace memtrace::cli {
namespace {

// Length in bytes of the character at the start of `text`, and its columns.
std::pair<std::size_t, std::size_t> first_character(std::string_view text) {
    wchar_t c = 0;
    std::mbstate_t state{};
    const std::size_t length = std::mbrtowc(&c, text.data(), text.size(), &state);
    if (length == 0 || length > text.size()) return {1, 1};
    const int columns = wcwidth(c);
    return {length, columns < 0 ? 1 : static_cast<std::size_t>(columns)};
}

}  // namespace

Terminal Terminal::of(std::FILE* stream, Colour colour) {
    std::setlocale(LC_CTYPE, "");
    Terminal terminal;
    terminal.unicode = std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    const char* kind = std::getenv("TERM");
    terminal.colour = colour == Colour::always;
    terminal.is_terminal = isatty(fileno(stream)) && kind && std::strcmp(kind, "dumb") != 0;
    if (!terminal.is_terminal) return terminal;
    const char* no_colour = std::getenv("NO_COLOR");
    if (colour == Colour::automatic) terminal.colour = !no_colour || !*no_colour;
    winsize size{};
    terminal.columns = ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    return terminal;
}

std::size_t display_width(std::string_view text) {
    std::size_t columns = 0;
    while (!text.empty()) {
        const auto [length, width] = first_character(text);
        columns += width;
        text.remove_prefix(length);
    }
    return columns;
}

std::string keep_right(std::string_view text, std::size_t columns, bool unicode) {
    std::size_t width = display_width(text);
    if (width <= columns) return std::string(text);
    const std::string mark = unicode ? "…" : "~";
    if (columns == 0) return "";
    while (!text.empty() && width + 1 > columns) {
        const auto [length, character] = first_character(text);
        width -= character;
        text.remove_prefix(length);
    }
    // What belonged to a character that is cut off would join the mark.
    while (!text.empty()) {
        const auto [length, character] = first_character(text);
        if (character > 0) break;
        text.remove_prefix(length);
    }
    return mark + std::string(text);
}

std::string keep_left(std::string_view text, std::size_t columns, bool unicode) {
    std::size_t kept = 0, width = 0, kept_with_mark = 0;
    while (kept < text.size()) {
        const auto [length, character] = first_character(text.substr(kept));
        if (width + character > columns) {
            if (columns == 0) return "";
            return std::string(text.substr(0, kept_with_mark)) + (unicode ? "…" : "~");
        }
        width += character;
        kept += length;
        if (width + 1 <= columns) kept_with_mark = kept;
    }
    return std::string(text);
}

}  // namespace memtrace::cli
