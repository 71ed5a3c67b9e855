// Names as the kernel side copied them; which code a position belongs to.
#include "python/code_objects.hpp"

#include <cstring>

#include "memtrace.h"
#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

template <typename Character>
std::string decoded(const std::basic_string<Character>& text, bool cut = false) {
    return decode_text(sizeof(Character), std::as_bytes(std::span(text)), cut);
}

CodeObjects::Code code_of(const std::string& file, std::uint32_t first_line) { return {file, "f", first_line, LineTableFormat::lnotab, {}}; }

std::string file_of(const CodeObjects& codes, std::uint64_t identity) {
    const std::optional<PythonLocation> location = codes.find(identity, 0);
    return location ? location->file : "nothing";
}

}  // namespace

RULE("names of every width come out as UTF-8") {
    CHECK(decoded<char>("plain.py") == "plain.py");
    CHECK(decoded<char>("").empty());
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

RULE("a cut name ends in an ellipsis") {
    CHECK(decoded<char>("abc", true) == "abc…");
    CHECK(decoded<char16_t>(u"", true) == "…");
}

RULE("a name of an impossible kind is unreadable, whatever its bytes; half a character at the end is left out") {
    const std::string bytes = "abcde";
    for (const unsigned kind : {0U, 3U, 5U, 6U, 7U, UINT32_MAX}) CHECK(decode_text(kind, std::as_bytes(std::span(bytes)), false) == "<unreadable>");
    const std::string high(7, '\xff'), half("a\0b", 3);
    CHECK(decode_text(4, std::as_bytes(std::span(high)), false).size() <= 4);  // far beyond Unicode: bounded, whatever it shows
    CHECK(decode_text(2, std::as_bytes(std::span(half)), false) == "a");
}

RULE("a position is looked up in the code of its identity and in no other") {
    CodeObjects codes;
    CHECK(file_of(codes, 0) == "nothing");
    codes.add(0x1000, code_of("a.py", 5));
    codes.add(0x1002, code_of("b.py", 7));
    CHECK(file_of(codes, 0x1000) == "a.py");
    CHECK(file_of(codes, 0x1002) == "b.py");
    CHECK(file_of(codes, 0x1001) == "nothing");
}

RULE("a copy told twice is the last one's, with its own line table") {
    CodeObjects codes;
    codes.add(0x10, code_of("old.py", 5));
    CodeObjects::Code code = code_of("new.py", 8);
    code.linetable = {std::byte{2}, std::byte{3}};
    codes.add(0x10, code);
    const std::optional<PythonLocation> location = codes.find(0x10, 4);
    REQUIRE(location);
    CHECK(location->file == "new.py");
    CHECK(location->function == "f");
    CHECK(location->position.line == 11);
    CHECK(codes.find(0x10, 0)->position.line == 8);
    CHECK(codes.find(0x10, -2)->position.line == 8);
}
