// Line tables against the interpreter's own reading of them; names as the kernel side copied them; which copy a position belongs to.
#include "python/code_objects.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <sstream>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

// For every code object of many modules of the standard library, and for some made to be unusual: a line "CODE first_line table
// lines", the table in hexadecimal, one number an instruction of two bytes (0: no line).
constexpr const char* dump = R"py(
import os, sys, sysconfig
def codes(code):
    yield code
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            yield from codes(constant)
def show(code):
    lines = [start or 0 for start, *_ in code.co_positions()]
    by_lines = [0] * len(lines)
    for begin, end, line in code.co_lines():
        for i in range(begin // 2, end // 2):
            by_lines[i] = line or 0
    assert lines == by_lines, code
    print("CODE", code.co_firstlineno, code.co_linetable.hex(), ",".join(map(str, lines)))
library = sysconfig.get_paths()["stdlib"]
names = sorted(name for name in os.listdir(library) if name.endswith(".py"))
for name in names[::2]:
    with open(os.path.join(library, name), "rb") as file:
        for code in codes(compile(file.read(), name, "exec")):
            show(code)
odd = [
    "def f():\n" + "\n" * 100000 + "    return g(\n" + "\n" * 3000 + "1,\n\n2)\n",               # far forward and back
    "def f():\n    " + "; ".join("a%d = 1" % i for i in range(200)) + "\n",                       # columns beyond 80
    "try:\n    pass\nfinally:\n    with a as b, c as d:\n        [x for x in (yield)] if 0 else (lambda: (yield))\n".replace("(yield)", "y"),
    "async def f():\n    async with a:\n        async for b in c:\n            await d\n",
    "\n".join("x%d = %d" % (i, i) for i in range(3000)),
    "match a:\n    case [1, {'b': c}] if c:\n        pass\n    case _:\n        raise\n",
]
for source in odd:
    for code in codes(compile(source, "odd", "exec")):
        show(code)
        show(code.replace(co_firstlineno=1000000))
)py";

std::vector<std::byte> bytes_of_hex(const std::string& hex) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) bytes.push_back(static_cast<std::byte>(std::stoul(hex.substr(i, 2), nullptr, 16)));
    return bytes;
}

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

RULE("every instruction of half the standard library has the line the interpreter says") {
    const std::string python = "/usr/bin/python3.11";
    const TemporaryFolder folder;
    write_text(folder.file("dump.py"), dump);
    Child interpreter = run({python, "-W", "ignore", folder.file("dump.py")});
    if (interpreter.wait() == Ending{false, 127}) skip("there is no " + python);
    INFO(interpreter.errors());
    REQUIRE(interpreter.wait() == Ending{false, 0});
    std::istringstream text(interpreter.output());
    std::size_t codes = 0, instructions = 0, without_line = 0;
    std::string wrong;
    for (std::string word, table, lines; text >> word;) {
        std::uint32_t first_line = 0;
        REQUIRE(word == "CODE");
        REQUIRE(text >> first_line >> table >> lines);
        const std::vector<std::byte> bytes = bytes_of_hex(table);
        std::istringstream numbers(lines);
        std::int32_t position = 0;
        for (std::string number; std::getline(numbers, number, ','); position += 2) {
            const std::uint32_t line = line_at(bytes, first_line, position);
            without_line += line == 0;
            ++instructions;
            if (line != std::stoul(number) && wrong.size() < 1000)
                wrong += table + " first line " + std::to_string(first_line) + " position " + std::to_string(position) + ": " + std::to_string(line) +
                         ", not " + number + "\n";
        }
        // A position one byte into an instruction is that instruction's; behind the last one is nothing.
        CHECK(line_at(bytes, first_line, 1) == line_at(bytes, first_line, 0));
        CHECK(line_at(bytes, first_line, position) == 0);
        ++codes;
    }
    CHECK(wrong == "");
    CHECK(codes > 2000);
    CHECK(instructions > 100'000);
    CHECK(without_line > 100);
}

RULE("before the first instruction stands the first line") {
    CHECK(line_at({}, 17, -2) == 17);
    CHECK(line_at({}, 17, INT32_MIN) == 17);
    CHECK(line_at({}, 17, 0) == 0);
}

RULE("a cut table knows the lines before the cut and nothing behind it") {
    // Two entries of one instruction each: "same line, columns" and "two lines on, columns".
    const std::vector<std::byte> table = bytes_of_hex(
        "80"
        "11"
        "e0"
        "0102");
    CHECK(line_at(table, 5, 0) == 5);
    CHECK(line_at(table, 5, 2) == 7);
    for (std::size_t size = 2; size < table.size(); ++size) {
        CHECK(line_at(std::span(table).first(size), 5, 0) == 5);
        CHECK(line_at(std::span(table).first(size), 5, 2) == 0);
    }
    CHECK(line_at(std::span(table).first(1), 5, 0) == 0);
}

RULE("hostile line tables end the search: within their own bytes, and never on a line that is none") {
    std::mt19937 random(311);  // NOLINT: the same tables each run
    for (int round = 0; round < 20'000; ++round) {
        std::vector<std::byte> table(random() % 64);
        for (std::byte& byte : table) byte = static_cast<std::byte>(round % 2 ? random() | 0x80 : random());
        // A heap block of exactly that size: sanitizers see a byte too many.
        const auto copy = std::make_unique<std::byte[]>(table.size());
        std::copy(table.begin(), table.end(), copy.get());
        const std::span<const std::byte> bytes(copy.get(), table.size());
        for (const std::int32_t position : {0, 2, 14, 600, INT32_MAX}) {
            const std::uint32_t line = line_at(bytes, static_cast<std::uint32_t>(random()), position);
            REQUIRE(line <= INT32_MAX);
        }
    }
    // Lines that run out of range come back as none.
    CHECK(line_at(bytes_of_hex("e8"
                               "7f7f7f7f7f3f"),
                  0, 0) == 0);  // hugely backwards
    CHECK(line_at(bytes_of_hex("e8"
                               "7e7f7f7f7f01"),
                  INT32_MAX, 0) == 0);  // hugely forwards
}

RULE("a megabyte of table is read once through, not more") {
    const std::vector<std::byte> table(1U << 20, std::byte{0x80});  // half a million entries of one instruction
    CHECK(line_at(table, 3, (1 << 20) - 2) == 3);
    CHECK(line_at(table, 3, 1 << 20) == 0);
}

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
    codes.add(event_of(1, 0x1000, 2, "second.py"), {});
    codes.add(event_of(1, 0x1000, 7, "seventh.py"), {});
    CHECK(file_at(codes, 1, 0x1000, 1) == "nothing");  // it was dead before the first copy was made
    for (const std::uint32_t generation : {2U, 3U, 6U}) CHECK(file_at(codes, 1, 0x1000, generation) == "second.py");
    for (const std::uint32_t generation : {7U, 8U, UINT32_MAX}) CHECK(file_at(codes, 1, 0x1000, generation) == "seventh.py");
}

RULE("copies of other addresses and other programs serve nobody else") {
    CodeObjects codes;
    PythonLocation location;
    CHECK_FALSE(codes.find(0, 0, 0, 0, location));
    codes.add(event_of(1, 0x1000, 5, "a.py"), {});
    codes.add(event_of(2, 0x1000, 3, "b.py"), {});
    CHECK(file_at(codes, 1, 0x1010, 5) == "nothing");
    CHECK(file_at(codes, 1, 0x0ff0, 5) == "nothing");
    CHECK(file_at(codes, 3, 0x1000, 9) == "nothing");
    CHECK(file_at(codes, 2, 0x1000, 2) == "nothing");
    CHECK(file_at(codes, 2, 0x1000, 9) == "b.py");
    CHECK(file_at(codes, 1, 0x1000, 9) == "a.py");
}

RULE("a copy told twice is the last one's, with its own line table") {
    CodeObjects codes;
    codes.add(event_of(1, 0x1000, 0, "a.py", 5), bytes_of_hex("8011"));
    codes.add(event_of(1, 0x1000, 0, "b.py", 50), bytes_of_hex("e00102"));
    PythonLocation location;
    REQUIRE(codes.find(1, 0x1000, 0, 0, location));
    CHECK(location.file == "b.py");
    CHECK(location.function == "f");
    CHECK(location.line == 52);
}
