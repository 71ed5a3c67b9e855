#include "format/text.hpp"

#include <limits>

#include "support/catch.hpp"

using namespace memtrace;

namespace {

Statistic row(std::string_view file, std::uint32_t line, std::string_view function, bool by_function, const char* domains, std::uint64_t bytes,
              std::uint64_t count) {
    Statistic row;
    row.place = {file, line, by_function ? function : "", by_function};
    row.function = function;
    row.domains = domains;
    row.size_bytes = bytes;
    row.count = count;
    return row;
}

}  // namespace

RULE("sizes change unit where tracemalloc's do, and get a decimal only below 100") {
    CHECK(format_size(0) == "0 B");
    CHECK(format_size(99) == "99 B");
    CHECK(format_size(10239) == "10239 B");
    CHECK(format_size(10240) == "10.0 KiB");
    CHECK(format_size(102348) == "99.9 KiB");
    CHECK(format_size(102399) == "100.0 KiB");
    CHECK(format_size(102400) == "100 KiB");
    CHECK(format_size(10 * 1024 * 1024 - 1) == "10240 KiB");
    CHECK(format_size(10 * 1024 * 1024) == "10.0 MiB");
    CHECK(format_size(std::uint64_t{10} << 30) == "10.0 GiB");
    CHECK(format_size(std::uint64_t{10} << 40) == "10.0 TiB");
    CHECK(format_size(std::uint64_t{20'000} << 40) == "20000 TiB");
    CHECK(format_size(std::numeric_limits<std::uint64_t>::max()) == "16777216 TiB");
}

RULE("size differences always have a sign, zero a plus") {
    CHECK(format_size_diff(0) == "+0 B");
    CHECK(format_size_diff(-16) == "-16 B");
    CHECK(format_size_diff(10240) == "+10.0 KiB");
    CHECK(format_size_diff(-102400) == "-100 KiB");
    CHECK(format_size_diff(std::numeric_limits<std::int64_t>::min()) == "-8388608 TiB");
}

RULE("a statistic is printed as tracemalloc prints it, without average when there is no block") {
    CHECK(format_line(row("a.py", 12, "f", false, "obj", 1000, 3)) == "a.py:12: size=1000 B, count=3, average=333 B");
    CHECK(format_line(row("a.py", 12, "f", false, "obj", 5, 2)) == "a.py:12: size=5 B, count=2, average=2 B");
    CHECK(format_line(row("<unknown>", 0, "", false, "obj", 0, 1)) == "<unknown>:0: size=0 B, count=1, average=0 B");
    CHECK(format_line(row("a.py", 12, "f", false, "", 0, 0)) == "a.py:12: size=0 B, count=0");
}

RULE("a difference shows new values with their change in parentheses") {
    CHECK(format_line(StatisticDiff{row("a.py", 1, "f", false, "obj", 20480, 2), 10240, 1}) ==
          "a.py:1: size=20.0 KiB (+10.0 KiB), count=2 (+1), average=10.0 KiB");
    CHECK(format_line(StatisticDiff{row("a.py", 1, "f", false, "obj", 0, 0), -16, -1}) == "a.py:1: size=0 B (-16 B), count=0 (-1)");
    CHECK(format_line(StatisticDiff{row("a.py", 1, "f", false, "obj", 8, 1), 0, 0}) == "a.py:1: size=8 B (+0 B), count=1 (+0), average=8 B");
}

RULE("a group of one function shows it after the object file") {
    CHECK(format_line(row("libfoo.so.1", 0, "symbol+0x1f", true, "malloc", 64, 2)) == "libfoo.so.1(symbol+0x1f):0: size=64 B, count=2, average=32 B");
}

RULE("text for terminals keeps every script and escapes control characters") {
    CHECK(printable("plain caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x90\x8d \xc2\xa0") == "plain caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x90\x8d \xc2\xa0");
    CHECK(printable("\x1b[2J\n\t\x7f") == "\\x1b[2J\\x0a\\x09\\x7f");
    CHECK(printable(std::string_view("\0", 1)) == "\\x00");
    CHECK(printable("\xc2\x9b"
                    "31m") == "\\xc2\\x9b31m");
    CHECK(printable("") == "");
}

RULE("text for terminals escapes what is not UTF-8 and nothing around it") {
    CHECK(printable("a\xff"
                    "b") == "a\\xffb");
    CHECK(printable("\x80") == "\\x80");
    CHECK(printable("\xc3") == "\\xc3");
    CHECK(printable("\xe2\x82") == "\\xe2\\x82");
    CHECK(printable("\xc0\xaf") == "\\xc0\\xaf");                    // overlong
    CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // surrogate
    CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
    CHECK(printable("\xe2\xc3\xa9") == "\\xe2\xc3\xa9");
}
