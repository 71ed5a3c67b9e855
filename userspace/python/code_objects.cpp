#include "python/code_objects.hpp"

#include <algorithm>
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

std::string decode_name(const mt_name& name) {
    const std::uint32_t kind = name.state >> 2 & 7;  // bytes a character: 1, 2 or 4
    if (kind != 1 && kind != 2 && kind != 4) return "<unreadable>";
    const std::size_t copied = MT_NAME_BYTES / kind;
    const std::size_t length = std::min<std::size_t>(name.length, copied);
    std::string text;
    for (std::size_t i = 0; i < length; ++i) {
        std::uint32_t c = 0;
        std::memcpy(&c, name.text + i * kind, kind);
        append_utf8(text, c);
    }
    if (length < name.length) text += "…";
    return text;
}

void CodeObjects::add(const mt_code_event& event, LineTableFormat format, std::vector<std::byte> linetable) {
    Code& code = codes_[{{event.slot, event.code}, event.generation}];
    code.file = decode_name(event.filename);
    code.function = decode_name(event.qualname);
    code.first_line = event.first_line;
    code.format = format;
    code.linetable = std::move(linetable);
}

bool CodeObjects::find(std::uint32_t slot, std::uint64_t code, std::uint32_t generation, std::int32_t position, PythonLocation& location) const {
    // The newest copy that is not newer than the site.
    auto found = codes_.upper_bound({{slot, code}, generation});
    if (found == codes_.begin()) return false;
    --found;
    if (found->first.first != std::pair(slot, code)) return false;
    location.file = found->second.file;
    location.function = found->second.function;
    const CodePosition at = position_at(found->second.format, found->second.linetable, found->second.first_line, position);
    location.line = at.line;
    location.end_line = at.end_line;
    location.column = at.column;
    location.end_column = at.end_column;
    return true;
}

}  // namespace memtrace
