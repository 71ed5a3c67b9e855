// Very many rows. What they cost: bench/screen.cpp.
#include "screen_samples.hpp"
#include "support/catch.hpp"
#include "support/locale.hpp"

using namespace memtrace;
using namespace memtrace::test;
using Kind = cli::screen::Key::Kind;

RULE("100 000 rows scroll to their end and back", "[screen]") {
    const test::Locale locale("C.UTF-8");
    std::vector<test::Place> places;
    for (std::uint32_t i = 1; i <= 100'000; ++i) places.push_back({"a.py", i, "f", 1'000'000 - i});
    ShownModel shown(places);
    CHECK(shown.canvas.lines.size() == 24);
    CHECK(has(shown.selected(), "a.py:1 "));
    shown.press(Kind::end);
    CHECK(has(shown.selected(), "a.py:100000"));
    shown.press(Kind::page_up);
    CHECK_FALSE(has(shown.selected(), "a.py:100000"));
    shown.press(Kind::home);
    shown.press(Kind::down);
    CHECK(has(shown.selected(), "a.py:2 "));
}
