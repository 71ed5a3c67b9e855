// Keys of the full-screen display: what they change, and what they ask of others.
#include "screen_samples.hpp"
#include "support/catch.hpp"
#include "support/locale.hpp"

using namespace memtrace;
using namespace memtrace::test;
using namespace memtrace::cli::screen;
using Kind = Key::Kind;
using What = Action::What;

namespace {

struct Utf8 : Locale {
    Utf8() : Locale("C.UTF-8") {}
};

std::vector<test::Place> many(std::size_t count) {
    std::vector<test::Place> places;
    for (std::size_t i = 0; i < count; ++i) places.push_back({"/many.py", static_cast<std::uint32_t>(i + 1), "f", 1'000'000 - i * 10, 1});
    return places;
}

}  // namespace

RULE("each sort key sorts by its column, and I turns the order around", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    const std::vector<std::pair<char32_t, SortBy>> keys{{U's', SortBy::size},    {U'g', SortBy::change}, {U'n', SortBy::count},
                                                        {U'v', SortBy::average}, {U'r', SortBy::rate},   {U'o', SortBy::age}};
    for (const auto& [key, sort] : keys) {
        shown.press(key);
        CHECK(shown.model.state().sort == sort);
    }
    CHECK(shown.model.needs_blocks());  // ages are those of single blocks
    shown.press(U'n');
    CHECK(has(shown.selected(), "cache.py"));
    shown.press(U'I');
    CHECK(has(shown.selected(), "model.py"));
}

RULE("< and > sort by the column before and behind, of those that show", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    shown.press(U'>');
    CHECK(shown.model.state().sort == SortBy::change);
    shown.press(U'>');
    CHECK(shown.model.state().sort == SortBy::count);
    shown.press(U'>');
    CHECK(shown.model.state().sort == SortBy::count);  // the last one of 80 columns
    shown.press(U'<');
    shown.press(U'<');
    shown.press(U'<');
    CHECK(shown.model.state().sort == SortBy::size);
}

RULE("each group key groups, and cumulative is refused where a block has one row only", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    const std::vector<std::pair<char32_t, GroupBy>> keys{{U'f', GroupBy::file},   {U'F', GroupBy::function}, {U't', GroupBy::traceback},
                                                         {U'D', GroupBy::domain}, {U'T', GroupBy::thread},   {U'P', GroupBy::process},
                                                         {U'l', GroupBy::line}};
    for (const auto& [key, by] : keys) {
        shown.press(key);
        CHECK(shown.model.state().view.by == by);
    }
    shown.press(U'C');
    CHECK(shown.model.state().view.cumulative);
    CHECK(has(shown.draw(), "caller.py"));
    shown.press(U'D');
    CHECK_FALSE(shown.model.state().view.cumulative);
    shown.press(U'C');
    CHECK_FALSE(shown.model.state().view.cumulative);
    CHECK(shown.model.state().is_failure);
    shown.press(U'T');
    CHECK(has(shown.draw(), "threads were not kept apart"));
}

RULE("the filter narrows as it is typed, Enter keeps it, Esc ends it", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    shown.press(U'/');
    shown.type("MOD");
    CHECK(has(shown.draw(), "model.py:12"));
    CHECK_FALSE(has(shown.draw(), "cache.py"));
    shown.press(Kind::backspace);
    CHECK(shown.model.state().filter == "MO");
    shown.press(Kind::enter);
    CHECK(has(shown.draw(), "1 of 3 lines with \"MO\": 64.0 MiB"));
    shown.press(Kind::escape);
    CHECK(has(shown.draw(), "cache.py"));
    shown.press(U'/');
    shown.type("zzz");
    CHECK(has(shown.draw(), "nothing of what is shown is live"));
    shown.press(Kind::escape);
    CHECK(shown.model.state().filter.empty());
    shown.press(U'/');
    shown.type("malloc");
    CHECK(has(shown.draw(), "model.py:12"));  // by domain
    shown.press(U'q');                        // typed, not obeyed
    CHECK(shown.model.state().filter == "mallocq");
}

RULE("letters beyond ASCII are typed and taken back whole", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    shown.press(U'/');
    shown.press(U'é');
    shown.press(U'漢');
    shown.press(U'😀');
    CHECK(shown.model.state().filter == "é漢😀");
    shown.press(Kind::backspace);
    shown.press(Kind::backspace);
    CHECK(shown.model.state().filter == "é");
}

RULE("keys that act on the trace ask others to, after asking for what they need", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    CHECK(shown.press(U'm') == Action{});
    shown.type("before");
    CHECK(shown.press(Kind::enter) == Action{What::mark, "before"});
    shown.press(U'm');
    CHECK(shown.press(Kind::enter) == Action{});  // without a name nothing is done
    shown.press(U'w');
    CHECK(shown.press(Kind::enter) == Action{What::write, "proposed.pb.gz"});
    shown.model.ask_to_replace("a.pb.gz");
    CHECK(has(shown.draw(), "a.pb.gz exists. Replace it? y/n"));
    CHECK(shown.press(U'y') == Action{What::replace, "a.pb.gz"});
    shown.press(U'X');
    CHECK(shown.press(U'n') == Action{});
    CHECK(has(shown.draw(), "nothing was done"));
    shown.press(U'X');
    CHECK(shown.press(U'y') == Action{What::clear});
    CHECK(shown.press(U'R') == Action{What::reset_peak});
    CHECK(shown.press(U'd') == Action{What::list_checkpoints});
    CHECK(shown.press(U'q') == Action{What::quit});
    CHECK(shown.press(Kind::quit) == Action{What::quit});
    CHECK(shown.press(U'\x0c') == Action{What::repaint});
}

RULE("saved snapshots refuse what only a trace can do, and are stepped through", "[screen]") {
    const Utf8 locale;
    ShownModel shown(shop, setup_of(true));
    for (const char32_t key : {U'm', U'd', U'R', U'X'}) {
        CHECK(shown.press(key) == Action{});
        CHECK(has(shown.draw(), "a saved snapshot can only be looked at"));
    }
    CHECK(shown.press(Kind::left) == Action{What::earlier});
    CHECK(shown.press(Kind::right) == Action{What::later});
}

RULE("the end of the target is told, and the last state can be looked at and written", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    shown.model.end("the process has ended");
    CHECK(has(shown.draw(), "the process has ended: this is its last state. q quits"));
    CHECK(has(shown.draw(), "ENDED"));
    shown.press(U'R');
    CHECK(has(shown.draw(), "the trace has ended"));
    shown.press(U'w');
    CHECK(shown.press(Kind::enter).what == What::write);
    CHECK(shown.press(U'q').what == What::quit);
}

RULE("the interval goes by steps between a tenth of a second and five minutes", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    CHECK(shown.press(U'+') == Action{What::interval});
    CHECK(shown.model.state().interval_s == 10);
    for (int i = 0; i < 20; ++i) shown.press(U'-');
    CHECK(shown.model.state().interval_s == 0.1);
    for (int i = 0; i < 20; ++i) shown.press(U'+');
    CHECK(shown.model.state().interval_s == 300);
}

RULE("space freezes, and what has happened meanwhile shows when it thaws", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    CHECK(shown.press(U' ') == Action{});
    CHECK(shown.model.frozen());
    CHECK(has(shown.draw(), "FROZEN"));
    CHECK(shown.press(U' ') == Action{What::take});
    CHECK_FALSE(shown.model.frozen());
}

RULE("the selected row stays selected when ranks change", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    shown.press(Kind::down);
    REQUIRE(has(shown.selected(), "model.py:12"));
    // When it becomes the largest, and other rows come.
    std::vector<test::Place> later = shop;
    later[1].bytes = 500 << 20;
    later.push_back({"/srv/new.py", 1, "f", 300 << 20, 1});
    shown.model.take(state_of(later, 15));
    shown.draw();
    CHECK(has(shown.selected(), "model.py:12"));
    CHECK(shown.model.state().table.index == 0);
    // When it is gone, the one in its place is.
    later.erase(later.begin() + 1);
    shown.model.take(state_of(later, 20));
    shown.draw();
    CHECK_FALSE(shown.selected().empty());
}

RULE("a cursor that nobody has moved stays at the top, where the largest row is", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    REQUIRE(has(shown.selected(), "cache.py"));
    std::vector<test::Place> later = shop;
    later[1].bytes = 500 << 20;
    shown.model.take(state_of(later, 15));
    shown.draw();
    CHECK(has(shown.selected(), "model.py"));
    shown.press(Kind::down);
    shown.press(Kind::home);
    CHECK_FALSE(shown.model.state().table.follows);
}

RULE("the cursor moves by lines, pages, to both ends, and keeps what it points at on the screen", "[screen]") {
    const Utf8 locale;
    ShownModel shown(many(500));
    shown.press(Kind::page_down);
    const std::size_t page = shown.model.state().table.index;
    CHECK(page > 5);
    CHECK(has(shown.selected(), "many.py:" + std::to_string(page + 1)));
    shown.press(Kind::end);
    CHECK(has(shown.selected(), "many.py:500"));
    shown.press(Kind::down);
    CHECK(has(shown.selected(), "many.py:500"));
    shown.press(Kind::page_up);
    shown.press(U'k');
    shown.press(U'j');
    shown.press(Kind::wheel_up);
    CHECK_FALSE(shown.selected().empty());
    shown.draw(80, 10);  // less room
    CHECK_FALSE(shown.selected().empty());
    shown.press(Kind::home);
    CHECK(shown.model.state().table == Cursor{});
}

RULE("a click selects a row, a second one opens it, and one on a head sorts", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    unsigned row = 0;
    while (!has(shown.canvas.lines[row].text(), "model.py")) ++row;
    shown.press(Key{Kind::click, 0, row, 50});
    CHECK(has(shown.selected(), "model.py"));
    while (!has(shown.canvas.lines[row].text(), "WHERE")) --row;
    const std::string head = shown.canvas.lines[row].text();
    const auto count = static_cast<unsigned>(head.find("COUNT") - 2);  // ▼ takes three bytes and one column
    shown.press(Key{Kind::click, 0, row, count});
    CHECK(shown.model.state().sort == SortBy::count);
    shown.press(Key{Kind::click, 0, row, count});
    CHECK(shown.model.state().reversed);
    shown.press(Key{Kind::double_click, 0, row + 1, 50});
    CHECK(shown.model.state().page == Page::callers);
}

RULE("c compares with the first display and back, a checkpoint with what it holds", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    std::vector<test::Place> later = shop;
    later[2].bytes += 1 << 20;
    shown.model.take(state_of(later, 15));
    shown.model.take(state_of(later, 20));
    CHECK(has(shown.draw(), "CHANGE since the last"));
    CHECK_FALSE(has(shown.draw(), "+1.0 MiB"));
    shown.press(U'c');
    CHECK(has(shown.draw(), "+1024 KiB"));
    shown.model.show_checkpoints({{"before", "12:00:00", 1 << 20, 7}, {"after", "12:00:01", 2 << 20, 8}});
    CHECK(has(shown.draw(), "before"));
    CHECK(shown.model.selected_checkpoint() == "after");
    shown.press(Kind::up);
    CHECK(shown.press(Kind::enter) == Action{What::compare});
    CHECK(shown.model.selected_checkpoint() == "before");
    shown.model.compare_with(state_of({shop[0]}, 12), "before");
    const std::string text = shown.draw();
    CHECK(has(text, "CHANGE since before"));
    CHECK(has(text, "+64.0 MiB"));
    CHECK(shown.model.state().sort == SortBy::change);
    shown.press(U'c');
    CHECK(shown.model.state().base == Base::previous);
}

RULE("Enter shows the callers of a row with its source, Esc goes back to the same row", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    shown.press(Kind::enter);
    std::string text = shown.draw();
    CHECK(has(text, "cache.py:88  Cache.put"));
    CHECK(has(text, "caller.py:1  handle"));
    CHECK(has(text, "caller.py:2  main"));
    CHECK(has(text, "88 │     self.rows[key] = bytearray(400)"));
    shown.press(Kind::down);
    text = shown.draw();
    CHECK(has(text, "no source: /srv/caller.py: No such file or directory"));
    shown.press(Kind::escape);
    CHECK(shown.model.state().page == Page::table);
    CHECK(has(shown.selected(), "cache.py"));
    shown.press(Kind::escape);
    CHECK(has(shown.draw(), "q quits"));
}

RULE("a process is entered and left again", "[screen]") {
    const Utf8 locale;
    std::vector<test::Place> places = shop;
    places.push_back({"/srv/child.py", 3, "child", 5000, 1, "obj", {}, 77});
    ShownModel shown(places);
    shown.press(U'P');
    CHECK(has(shown.draw(), "pid 77 (worker 77)"));
    CHECK(has(shown.draw(), "RSS"));
    shown.press(Kind::down);
    shown.press(Kind::enter);
    const std::string text = shown.draw();
    CHECK(has(text, "only pid 77 (worker 77)"));
    CHECK(has(text, "child.py:3"));
    CHECK_FALSE(has(text, "cache.py"));
    shown.press(Kind::escape);
    CHECK(shown.model.state().view.by == GroupBy::process);
    CHECK(has(shown.draw(), "pid 4242"));
}

RULE("help and losses are pages of their own that scroll", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    shown.press(U'?');
    CHECK(has(shown.draw(), "freeze the display"));
    shown.press(Kind::end);
    CHECK(has(shown.draw(), "quit"));
    shown.press(Kind::help);
    CHECK(shown.model.state().page == Page::table);
    shown.press(U'i');
    const std::string text = shown.draw();
    CHECK(has(text, "0  live table full"));
    CHECK(has(text, "1 204  untracked frees"));
    shown.press(Kind::backspace);
    CHECK(shown.model.state().page == Page::table);
}

RULE("no key does harm before the first state has come, nor in any order", "[screen]") {
    const Utf8 locale;
    Model model(setup_of());
    std::uint32_t random = 1;
    for (int i = 0; i < 20'000; ++i) {
        if (i == 500) model.take(state_of(shop));
        random = random * 1664525 + 1013904223;
        const std::uint32_t number = random >> 16;
        const Key key = number % 2 ? Key{static_cast<Kind>(1 + number / 2 % 17), 0, number / 64 % 30, number / 8 % 90}
                                   : key_of(static_cast<char32_t>(number / 2 % 128));
        (void)model.press(key);
        if (i % 20 == 0) (void)model.draw(1 + number % 130, 1 + number / 7 % 40, number % 3 != 0);
        if (i % 900 == 899) model.take(state_of({shop[static_cast<std::size_t>(i) % 3]}, 10 + i));
    }
}
