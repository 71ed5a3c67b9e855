#include "python/code_objects.hpp"

#include <algorithm>
#include <cstring>

namespace memtrace {
namespace {

constexpr std::uint32_t code_unit_bytes = 2;

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

// Bytes of a line table, read one by one; reading past the end marks it as ended.
class Cursor {
public:
    explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}
    [[nodiscard]] bool at_end() const { return at_ >= bytes_.size(); }
    [[nodiscard]] bool failed() const { return failed_; }
    std::uint32_t byte() {
        if (at_end()) {
            failed_ = true;
            return 0;
        }
        return static_cast<std::uint32_t>(bytes_[at_++]);
    }
    // Six bits a byte, least significant first, 0x40 = more follows.
    std::uint32_t varint() {
        std::uint32_t value = 0;
        for (unsigned shift = 0; shift < 32; shift += 6) {
            const std::uint32_t b = byte();
            value |= (b & 0x3f) << shift;
            if (!(b & 0x40)) break;
        }
        return value;
    }
    std::int32_t signed_varint() {
        const std::uint32_t value = varint();
        const auto magnitude = static_cast<std::int32_t>(value >> 1);
        return value & 1 ? -magnitude : magnitude;
    }

private:
    std::span<const std::byte> bytes_;
    std::size_t at_ = 0;
    bool failed_ = false;
};

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

std::uint32_t line_at(std::span<const std::byte> linetable, std::uint32_t first_line, std::int32_t position) {
    if (position < 0) return first_line;
    enum { short_forms = 9, one_line_0 = 10, one_line_2 = 12, no_columns = 13, long_form = 14, no_location = 15 };
    Cursor cursor(linetable);
    auto line = static_cast<std::int64_t>(first_line);
    std::uint64_t begin = 0;
    while (!cursor.at_end()) {
        const std::uint32_t head = cursor.byte();
        const std::uint32_t code = head >> 3 & 15;
        const std::uint64_t end = begin + ((head & 7) + 1) * code_unit_bytes;
        if (code <= short_forms) {
            cursor.byte();
        } else if (code <= one_line_2) {
            line += code - one_line_0;
            cursor.byte();
            cursor.byte();
        } else if (code == no_columns) {
            line += cursor.signed_varint();
        } else if (code == long_form) {
            line += cursor.signed_varint();
            cursor.varint();
            cursor.varint();
            cursor.varint();
        }
        if (cursor.failed()) return 0;
        if (static_cast<std::uint64_t>(position) < end)
            return code == no_location || line < 0 || line > INT32_MAX ? 0 : static_cast<std::uint32_t>(line);
        begin = end;
    }
    return 0;
}

void CodeObjects::add(const mt_code_event& event, std::vector<std::byte> linetable) {
    Code& code = codes_[{{event.slot, event.code}, event.generation}];
    code.file = decode_name(event.filename);
    code.function = decode_name(event.qualname);
    code.first_line = event.first_line;
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
    location.line = line_at(found->second.linetable, found->second.first_line, position);
    return true;
}

}  // namespace memtrace
