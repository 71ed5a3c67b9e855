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

RULE("a line tells the columns that were asked for, in their order, and leaves out what is not known") {
    Statistic statistic = row("/srv/app/a.py", 12, "f", false, "mem,obj", 2048, 2);
    statistic.counters = {10, 4096, 8, 2048};
    CHECK(format_line(statistic, {{Column::count, Column::size}}) == "/srv/app/a.py:12: count=2, size=2048 B");
    CHECK(format_line(statistic, {{Column::allocated, Column::freed, Column::domain, Column::function}, 1}) ==
          "a.py:12: allocated=4096 B, freed=2048 B, domain=mem,obj, function=f");
    CHECK(format_line(statistic, {{Column::size, Column::rate, Column::age}}) == "/srv/app/a.py:12: size=2048 B");
    statistic.oldest = std::chrono::minutes(65);
    CHECK(format_line(statistic, {{Column::age, Column::rate}, 2, std::chrono::seconds(2)}) == "app/a.py:12: age=1 h 5 min, rate=+1024 B/s");
    CHECK(format_line(StatisticDiff{statistic, -20480, -1}, {{Column::rate}, 1, std::chrono::seconds(2)}) == "a.py:12: rate=-10.0 KiB/s");
}

RULE("the last parts of a path are those behind its last slashes") {
    CHECK(last_path_parts("/a/b/c.py", 0) == "/a/b/c.py");
    CHECK(last_path_parts("/a/b/c.py", 1) == "c.py");
    CHECK(last_path_parts("/a/b/c.py", 2) == "b/c.py");
    CHECK(last_path_parts("/a/b/c.py", 3) == "a/b/c.py");
    CHECK(last_path_parts("/a/b/c.py", 4) == "/a/b/c.py");
    CHECK(last_path_parts("c.py", 2) == "c.py");
    CHECK(last_path_parts("", 1).empty());
}

RULE("user data is told with its title, and with its change where there was one before") {
    Snapshot before, now;
    before.user_data = {{"cache", "size", 1024}, {"requests", "count", 5}, {"gone", "size", 1}};
    now.user_data = {{"cache", "size", 20480}, {"requests", "count", 3}, {"new", "size", -16}};
    CHECK(format_user_data(now) == std::vector<std::string>{"cache: 20.0 KiB", "requests: 3", "new: -16 B"});
    CHECK(format_user_data(now, &before) == std::vector<std::string>{"cache: 20.0 KiB (+19.0 KiB)", "requests: 3 (-2)", "new: -16 B"});
}
