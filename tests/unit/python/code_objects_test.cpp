// Names as the kernel side copied them; which copy a position belongs to.
#include "python/code_objects.hpp"

#include <algorithm>
#include <cstring>

#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

mt_name name_of(unsigned kind, const std::string& bytes, std::uint32_t characters) {
    mt_name name{};
    name.state = kind << 2;
    name.length = characters;
    std::memcpy(name.text, bytes.data(), std::min<std::size_t>(bytes.size(), MT_NAME_BYTES));
    return name;
}

template <typename Character>
std::string decoded(const std::basic_string<Character>& text) {
    std::string bytes(text.size() * sizeof(Character), '\0');
    std::memcpy(bytes.data(), text.data(), bytes.size());
    return decode_name(name_of(sizeof(Character), bytes, static_cast<std::uint32_t>(text.size())));
}

mt_code_event event_of(std::uint32_t slot, std::uint64_t code, std::uint32_t generation, const std::string& file, std::uint32_t first_line = 1) {
    mt_code_event event{};
    event.slot = slot;
    event.code = code;
    event.generation = generation;
    event.first_line = first_line;
    event.filename = name_of(1, file, static_cast<std::uint32_t>(file.size()));
    event.qualname = name_of(1, "f", 1);
    return event;
}

std::string file_at(const CodeObjects& codes, std::uint32_t slot, std::uint64_t code, std::uint32_t generation) {
    PythonLocation location;
    return codes.find(slot, code, generation, 0, location) ? location.file : "nothing";
}

}  // namespace

RULE("names of every width come out as UTF-8") {
    CHECK(decoded<char>("plain.py") == "plain.py");
    CHECK(decoded<char>("") == "");
    CHECK(decoded<char>("caf\xe9/na\xefve.py") == "café/naïve.py");  // Latin-1
    CHECK(decoded<char16_t>(u"日本/ñ.py") == "日本/ñ.py");
    CHECK(decoded<char32_t>(U"\U0001f40d/日é.py") == "\U0001f40d/日é.py");
    CHECK(decoded<char>("\x7f\x80\xff") == "\x7f\u0080\u00ff");
    CHECK(decoded<char16_t>(u"\u07ff\u0800\uffff") == "\u07ff\u0800\uffff");
    CHECK(decoded<char32_t>(U"\U00010000\U0010ffff") == "\U00010000\U0010ffff");
}

RULE("bytes of a file name that were no UTF-8 come back as they were") {
    const std::u16string escaped = {u'a', 0xdc80, 0xdcff, 0xdce9, u'.', u'p', u'y'};
    CHECK(decoded(escaped) == "a\x80\xff\xe9.py");
}

RULE("a cut name ends in an ellipsis; one that just fits does not") {
    for (const unsigned kind : {1U, 2U, 4U}) {
        INFO(kind);
        const std::uint32_t fits = MT_NAME_BYTES / kind;
        std::string bytes;
        for (std::uint32_t i = 0; i < fits; ++i) bytes += std::string(1, 'x') + std::string(kind - 1, '\0');
        CHECK(decode_name(name_of(kind, bytes, fits)) == std::string(fits, 'x'));
        CHECK(decode_name(name_of(kind, bytes, fits + 1)) == std::string(fits, 'x') + "…");
        CHECK(decode_name(name_of(kind, bytes, UINT32_MAX)) == std::string(fits, 'x') + "…");
    }
}

RULE("a name of an impossible kind is unreadable, whatever its bytes") {
    for (const unsigned kind : {0U, 3U, 5U, 6U, 7U}) CHECK(decode_name(name_of(kind, "abc", 3)) == "<unreadable>");
    mt_name hostile;
    std::memset(&hostile, 0xff, sizeof hostile);
    CHECK(decode_name(hostile) == "<unreadable>");
    hostile.state = 4 << 2;  // four bytes a character, each far beyond Unicode: bounded, whatever it shows
    CHECK(decode_name(hostile).size() <= MT_NAME_BYTES + 3);
}

RULE("a position belongs to the newest copy that is not newer than it") {
    CodeObjects codes;
    codes.add(event_of(1, 0x1000, 2, "second.py"), LineTableFormat::locations, {});
    codes.add(event_of(1, 0x1000, 7, "seventh.py"), LineTableFormat::locations, {});
    CHECK(file_at(codes, 1, 0x1000, 1) == "nothing");  // it was dead before the first copy was made
    for (const std::uint32_t generation : {2U, 3U, 6U}) CHECK(file_at(codes, 1, 0x1000, generation) == "second.py");
    for (const std::uint32_t generation : {7U, 8U, UINT32_MAX}) CHECK(file_at(codes, 1, 0x1000, generation) == "seventh.py");
}

RULE("copies of other addresses and other programs serve nobody else") {
    CodeObjects codes;
    PythonLocation location;
    CHECK_FALSE(codes.find(0, 0, 0, 0, location));
    codes.add(event_of(1, 0x1000, 5, "a.py"), LineTableFormat::locations, {});
    codes.add(event_of(2, 0x1000, 3, "b.py"), LineTableFormat::locations, {});
    CHECK(file_at(codes, 1, 0x1010, 5) == "nothing");
    CHECK(file_at(codes, 1, 0x0ff0, 5) == "nothing");
    CHECK(file_at(codes, 3, 0x1000, 9) == "nothing");
    CHECK(file_at(codes, 2, 0x1000, 2) == "nothing");
    CHECK(file_at(codes, 2, 0x1000, 9) == "b.py");
    CHECK(file_at(codes, 1, 0x1000, 9) == "a.py");
}

RULE("a copy told twice is the last one's, with its own line table") {
    CodeObjects codes;
    codes.add(event_of(1, 0x1000, 0, "a.py", 5), LineTableFormat::lnotab, {std::byte{0}, std::byte{3}});
    PythonLocation location;
    REQUIRE(codes.find(1, 0x1000, 0, 0, location));
    CHECK(location.line == 8);
    CHECK(location.end_line == 0);
    codes.add(event_of(1, 0x1000, 0, "b.py", 50), LineTableFormat::locations, {std::byte{0xe0}, std::byte{1}, std::byte{4}});
    REQUIRE(codes.find(1, 0x1000, 0, 0, location));
    CHECK(location.file == "b.py");
    CHECK(location.function == "f");
    CHECK(location.line == 52);
    CHECK(location.end_line == 52);
    CHECK(location.column == 2);
    CHECK(location.end_column == 5);
}
