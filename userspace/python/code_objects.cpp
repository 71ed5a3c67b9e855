#include "python/code_objects.hpp"

#include <cstring>

namespace memtrace {
namespace {

void append_utf8(std::string& text, std::uint32_t c) {
    if (c >= 0xdc80 && c <= 0xdcff) {
        text += static_cast<char>(c - 0xdc00);  // a byte that surrogateescape put aside
    } else if (c < 0x80) {
        text += static_cast<char>(c);
    } else if (c < 0x800) {
        text += static_cast<char>(0xc0 | c >> 6);
        text += static_cast<char>(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        text += static_cast<char>(0xe0 | c >> 12);
        text += static_cast<char>(0x80 | (c >> 6 & 0x3f));
        text += static_cast<char>(0x80 | (c & 0x3f));
    } else {
        text += static_cast<char>(0xf0 | (c >> 18 & 7));
        text += static_cast<char>(0x80 | (c >> 12 & 0x3f));
        text += static_cast<char>(0x80 | (c >> 6 & 0x3f));
        text += static_cast<char>(0x80 | (c & 0x3f));
    }
}

}  // namespace

std::string decode_text(std::uint32_t kind, std::span<const std::byte> characters, bool cut) {
    if (kind != 1 && kind != 2 && kind != 4) return "<unreadable>";
    std::string text;
    for (std::size_t i = 0; i + kind <= characters.size(); i += kind) {
        std::uint32_t c = 0;
        std::memcpy(&c, characters.data() + i, kind);
        append_utf8(text, c);
    }
    if (cut) text += "…";
    return text;
}

std::optional<PythonLocation> CodeObjects::find(std::uint64_t identity, std::int32_t position) const {
    const auto found = codes_.find(identity);
    if (found == codes_.end()) return std::nullopt;
    const Code& code = found->second;
    return PythonLocation{code.file, code.function, position_at(code.format, code.linetable, code.first_line, position)};
}

}  // namespace memtrace
