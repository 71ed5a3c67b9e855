#include "format/json_text.hpp"

#include <fmt/format.h>

#include "format/text.hpp"

namespace memtrace {

JsonWriter& JsonWriter::key(std::string_view name) {
    separate();
    quote(name);
    to_ += ':';
    comma_ = false;
    return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
    separate();
    quote(text);
    comma_ = true;
    return *this;
}

JsonWriter& JsonWriter::value(bool flag) {
    separate();
    to_ += flag ? "true" : "false";
    comma_ = true;
    return *this;
}

JsonWriter& JsonWriter::value(std::uint64_t number) {
    separate();
    fmt::format_to(std::back_inserter(to_), "{}", number);
    comma_ = true;
    return *this;
}

JsonWriter& JsonWriter::value(std::int64_t number) {
    separate();
    fmt::format_to(std::back_inserter(to_), "{}", number);
    comma_ = true;
    return *this;
}

JsonWriter& JsonWriter::value(double number) {
    separate();
    fmt::format_to(std::back_inserter(to_), "{}", number);
    comma_ = true;
    return *this;
}

JsonWriter& JsonWriter::line() {
    line_ = true;
    return *this;
}

JsonWriter& JsonWriter::begin(char bracket) {
    separate();
    to_ += bracket;
    comma_ = false;
    return *this;
}

JsonWriter& JsonWriter::end(char bracket) {
    if (line_) to_ += '\n';
    line_ = false;
    to_ += bracket;
    comma_ = true;
    return *this;
}

void JsonWriter::separate() {
    if (comma_) to_ += ',';
    if (line_) to_ += '\n';
    comma_ = line_ = false;
}

void JsonWriter::quote(std::string_view text) {
    to_ += '"';
    while (!text.empty()) {
        const std::size_t length = utf8_character_bytes(text);
        const auto byte = static_cast<unsigned char>(text[0]);
        if (length == 0) {
            fmt::format_to(std::back_inserter(to_), "\\\\x{:02x}", byte);
        } else if (byte == '"' || byte == '\\') {
            to_ += {'\\', text[0]};
        } else if (byte < 0x20 || byte == 0x7f) {
            fmt::format_to(std::back_inserter(to_), "\\u{:04x}", byte);
        } else {
            to_ += text.substr(0, length);
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    to_ += '"';
}

}  // namespace memtrace
