// Which functions are to be marked, and which marks a file carries: texts and bytes of strangers.
#include "probes/marks.hpp"

#include <cstring>
#include <random>

#include "probes/function_exits.hpp"
#include "probes/usdt_notes.hpp"
#include "support/catch.hpp"

using namespace memtrace;

namespace {

void append(std::vector<std::byte>& bytes, const void* data, std::size_t size) {
    const auto* begin = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), begin, begin + size);
}

// A note as the assembler lays it out.
std::vector<std::byte> note(std::uint64_t address, std::uint64_t base, const std::string& texts, std::uint32_t type = 3,
                            const char* owner = "stapsdt") {
    std::vector<std::byte> bytes;
    const std::uint32_t header[] = {8, static_cast<std::uint32_t>(24 + texts.size()), type};
    append(bytes, header, sizeof header);
    append(bytes, owner, 8);
    const std::uint64_t words[] = {address, base, 0};
    append(bytes, words, sizeof words);
    append(bytes, texts.data(), texts.size());
    while (bytes.size() % 4) bytes.push_back(std::byte{0});
    return bytes;
}

const std::string texts{
    "memtrace\0mark\0"
    "8@%rdi\0",
    21};

}  // namespace

RULE("a function to be marked is a symbol, a library's symbol or a place in a file; all else is refused") {
    const auto parsed = [](const std::string& text) {
        const Result<WantedMark> mark = parse_mark(text);
        if (!mark) FAIL(mark.error().what);
        return *mark;
    };
    CHECK(parsed("load") == WantedMark{"", "load", 0, "load"});
    CHECK(parsed("libshop:load") == WantedMark{"libshop", "load", 0, "libshop:load"});
    CHECK(parsed("libshop.so.1+0x1f0") == WantedMark{"libshop.so.1", "", 0x1f0, "libshop.so.1+0x1f0"});
    CHECK(parsed("Shop::open") == WantedMark{"", "Shop::open", 0, "Shop::open"});
    CHECK(parsed("shop:Shop::open") == WantedMark{"shop", "Shop::open", 0, "shop:Shop::open"});
    for (const char* text : {"", ":", "lib:", ":f", "+0x10", "lib+0x", "lib+0xg", "lib+0x10000000000000000", "lib+0x10 "}) {
        INFO(text);
        CHECK_FALSE(parse_mark(text));
    }
}

RULE("marks are read from a file's notes, moved with their base, others' notes passed over") {
    std::vector<std::byte> notes = note(0x1000, 0x2000, texts);
    for (const auto& more : {note(1, 0, texts, 1), note(2, 0, texts, 3, "GNU\0\0\0\0"), note(0x1010, 0x2000, std::string("libc\0setjmp\0\0", 13))})
        notes.insert(notes.end(), more.begin(), more.end());
    CHECK(parse_usdt_notes(notes, 0x2000) == std::vector<UsdtProbe>{{0x1000, "memtrace", "mark", "8@%rdi"}, {0x1010, "libc", "setjmp", ""}});
    CHECK(parse_usdt_notes(notes, 0x5000)[0].address == 0x4000);
    CHECK(parse_usdt_notes(notes, std::nullopt)[0].address == 0x1000);
    CHECK(parse_usdt_notes({}, 0x2000).empty());
}

RULE("notes that are cut, lie about their size or have no ends are no marks and do no harm") {
    const std::vector<std::byte> whole = note(0x1000, 0x2000, texts);
    for (std::size_t size = 0; size + 1 < whole.size() - 3; ++size) CHECK(parse_usdt_notes(std::span(whole).first(size), 0x2000).empty());
    CHECK(parse_usdt_notes(note(1, 0, "memtrace"), {}).empty());
    CHECK(parse_usdt_notes(note(1, 0, ""), {}).empty());
    std::mt19937_64 random(3);
    for (int i = 0; i < 20'000; ++i) {
        std::vector<std::byte> bytes = whole;
        bytes.insert(bytes.end(), whole.begin(), whole.end());
        for (int change = 0; change < 4; ++change) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
        (void)parse_usdt_notes(bytes, random());
    }
}
