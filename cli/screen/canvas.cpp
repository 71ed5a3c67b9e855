#include "screen/canvas.hpp"

#include "terminal.hpp"
#include "util/utf8.hpp"

namespace memtrace::cli::screen {
namespace {

std::string as_ascii(std::string_view text) {
    std::string plain;
    while (!text.empty()) {
        const std::size_t length = std::max<std::size_t>(utf8_character_bytes(text), 1);
        plain += length == 1 && static_cast<unsigned char>(text[0]) < 0x80 ? text[0] : '?';
        text.remove_prefix(length);
    }
    return plain;
}

}  // namespace

Line& Line::add(std::string_view text, Style style) {
    if (text.empty()) return *this;
    std::string shown = unicode_ ? std::string(text) : as_ascii(text);
    width_ += display_width(shown);
    if (!spans_.empty() && spans_.back().style == style)
        spans_.back().text += shown;
    else
        spans_.push_back({std::move(shown), style});
    return *this;
}

Line& Line::pad_to(std::size_t column, Style style) {
    if (width_ < column) add(std::string(column - width_, ' '), style);
    return *this;
}

Line& Line::cut_to(std::size_t columns) {
    while (width_ > columns) {
        Span& last = spans_.back();
        const std::size_t width = display_width(last.text), before = width_ - width;
        if (before >= columns) {
            spans_.pop_back();
            width_ = before;
            continue;
        }
        last.text = keep_left(last.text, columns - before, unicode_);
        width_ = before + display_width(last.text);
        break;
    }
    return *this;
}

std::string Line::text() const {
    std::string text;
    for (const Span& span : spans_) text += span.text;
    return text;
}

std::string Canvas::text() const {
    std::string all;
    for (const Line& line : lines) {
        std::string text = line.text();
        text.erase(text.find_last_not_of(' ') + 1);
        all += text + '\n';
    }
    return all;
}

}  // namespace memtrace::cli::screen
