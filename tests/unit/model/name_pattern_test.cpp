// Patterns as Python's fnmatch has them; tests/unit/format/tracemalloc_differential_test.cpp compares thousands with Python's own.
#include "model/name_pattern.hpp"

#include <chrono>

#include "support/catch.hpp"

using namespace memtrace;

namespace {

bool fits(std::string_view name, std::string_view pattern) { return NamePattern(pattern).matches(name); }

}  // namespace

RULE("a pattern fits the whole name; * takes anything, / and a leading dot and newlines too") {
    CHECK(fits("/srv/app/.hidden/a.py", "*.py"));
    CHECK(fits("a\nb", "a*b"));
    CHECK(fits("a\nb", "a?b"));
    CHECK(fits("", "*"));
    CHECK(fits("", ""));
    CHECK_FALSE(fits("", "?"));
    CHECK_FALSE(fits("a.py", "a"));
    CHECK_FALSE(fits("a.py", ".py"));
    CHECK_FALSE(fits("A.py", "a.py"));
    CHECK(fits("aXbXc", "a*b*c"));
    CHECK_FALSE(fits("aXbX", "a*b*c"));
}

RULE("brackets hold a set, ranges, a negation, or are text when they do not close") {
    CHECK(fits("b", "[a-c]"));
    CHECK_FALSE(fits("d", "[a-c]"));
    CHECK(fits("d", "[!a-c]"));
    CHECK(fits("]", "[]]"));
    CHECK(fits("-", "[a-]"));
    CHECK(fits("^", "[^]"));
    CHECK_FALSE(fits("a", "[c-a]"));
    CHECK(fits("[a", "[a"));
    CHECK(fits("[!]", "[!]"));
    CHECK(fits("<frozen [x]>", "<frozen [[]x]>"));
}

RULE("? and sets take characters, not bytes; a byte that is no text is a character") {
    CHECK(fits("\xc3\xa9.py", "?.py"));
    CHECK(fits("\xff.py", "?.py"));
    CHECK_FALSE(fits("\xff\xff.py", "?.py"));
    CHECK(fits("\xc3\xa9", "[\xc3\xa8-\xc3\xaa]"));
}

RULE("many stars cost no more than pattern times name") {
    std::string pattern;
    for (int i = 0; i < 200; ++i) pattern += "a*";
    const auto start = std::chrono::steady_clock::now();
    CHECK_FALSE(fits(std::string(20'000, 'a'), pattern + "b"));
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}
