// Pictures of the full-screen display: which columns at which width, whole characters, hostile names, ASCII.
#include <sstream>

#include "cli/screen/history.hpp"
#include "cli/screen/layout.hpp"
#include "cli/terminal.hpp"
#include "screen_samples.hpp"
#include "support/catch.hpp"
#include "support/locale.hpp"

using namespace memtrace;
using namespace memtrace::test;
using namespace memtrace::cli::screen;
using memtrace::cli::display_width;
using Kind = Key::Kind;

namespace {

struct Utf8 : Locale {
    Utf8() : Locale("C.UTF-8") {}
};

bool has_field(const std::vector<Placed>& placed, Field field) {
    return std::any_of(placed.begin(), placed.end(), [&](const Placed& each) { return each.field == field; });
}

bool is_plain(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= ' ' && c < 0x7f); });
}

}  // namespace

RULE("a picture of 80 by 24 tells the state of the trace, the rows, and the keys", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    const std::string text = shown.draw();
    CHECK(text.substr(0, text.find("\n\n")) ==
          "memtrace-bpf pid 4242 · python3 -m shop.worker         traced 10.0 s · every 5 s\n"
          "RSS 412 MiB · traced 215 MiB · peak 215 MiB · untracked 197 MiB\n"
          "402 412 blocks · 40 k alloc/s · 0 free/s · cost ≈ 0.0 % · lost 0 · untracked fr…\n"
          "last 30 s                                                   ▁  215 MiB … 215 MiB\n"
          "by line · sorted by SIZE · 3 lines\n"
          "   #      SIZE▼      CHANGE       COUNT  WHERE                         DOMAIN\n"
          "   1    151 MiB                 402 111  shop/app/cache.py:88  Cache.… obj\n"
          "   2   64.0 MiB                       1  shop/app/model.py:12  load_w… malloc\n"
          "   3     9000 B                     300  shop/app/views.py:7  render   obj");
    CHECK(has(text, "F1 Help  / Filter  Space Freeze  Enter Callers  <> Sort  lfFtDTP Group  q Quit\n"));
}

RULE("every picture has as many lines as the terminal, none of them wider", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    for (const Kind page : {Kind::other, Kind::enter, Kind::help}) {
        shown.model.press(key_of(page));
        for (const bool unicode : {true, false})
            for (const unsigned columns : {20U, 40U, 79U, 80U, 81U, 100U, 120U, 250U})
                for (const unsigned rows : {6U, 11U, 12U, 24U, 60U}) {
                    const std::string text = shown.draw(columns, rows, unicode);
                    REQUIRE(shown.canvas.lines.size() == rows);
                    for (const Line& line : shown.canvas.lines) REQUIRE(line.width() <= columns);
                    if (!unicode) REQUIRE(is_plain(text));
                }
    }
    CHECK(has(shown.draw(10, 3), "too small"));
}

RULE("narrow tables keep what matters most, wide ones have all, and the place always has room", "[screen]") {
    const std::vector<Placed> narrow = layout({80, 100, GroupBy::line, false});
    CHECK(has_field(narrow, Field::change));
    CHECK(has_field(narrow, Field::count));
    CHECK_FALSE(has_field(narrow, Field::rate));
    const std::vector<Placed> wide = layout({250, 100, GroupBy::line, true});
    for (const Field field : {Field::share, Field::average, Field::rate, Field::age, Field::trend, Field::domain}) CHECK(has_field(wide, field));
    CHECK(has_field(layout({120, 3, GroupBy::process, false}), Field::rss));
    CHECK_FALSE(has_field(layout({120, 3, GroupBy::domain, false}), Field::domain));
    for (unsigned columns = 24; columns <= 260; ++columns) {
        unsigned end = 0;
        for (const Placed& placed : layout({columns, 100'000, GroupBy::line, true})) {
            CHECK(placed.from >= end);
            end = placed.from + placed.width;
            if (placed.field == Field::where) CHECK(placed.width >= 12);
        }
        CHECK(end <= columns);
    }
}

RULE("--show chooses the columns and their order", "[screen]") {
    const std::vector<Placed> asked = layout({120, 100, GroupBy::line, false, {Column::count, Column::size}});
    REQUIRE(asked.size() == 5);
    CHECK(asked[1].field == Field::count);
    CHECK(asked[2].field == Field::size);
    CHECK(asked[4].field == Field::where);
}

RULE("the right end of a long path shows, cut at whole characters, wide and combining ones too", "[screen]") {
    const Utf8 locale;
    const std::string wide = "/srv/漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字.py";
    const std::string combining = "/srv/ééééééééééééééééééééééééééééééééééééééééééé.py";
    ShownModel shown({{wide, 17, "f", 1000}, {combining, 18, "f", 900}, {"/srv/😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀.py", 19, "f", 800}});
    for (unsigned columns = 40; columns < 140; ++columns) {
        const std::string text = shown.draw(columns, 24);
        CHECK(has(text, ".py:17"));
        CHECK(has(text, ".py:18"));
        CHECK(has(text, ".py:19"));
        CHECK(is_utf8(text));
        for (const Line& line : shown.canvas.lines) CHECK(display_width(line.text()) <= columns);
    }
}

RULE("names cannot act on the terminal, whatever they hold", "[screen]") {
    const Utf8 locale;
    const std::string evil =
        "/srv/\033[2J\033]0;owned\a\r\n\t\x7f\xc2\x9b"
        "31m\xff\xe2\x80\xae"
        "txt.exe.py";
    std::vector<test::Place> places{{evil, 1, evil, 1000, 1, "obj", {evil}}};
    ShownModel shown(places);
    const auto check_all = [&] {
        for (const unsigned columns : {80U, 250U}) {
            const std::string text = shown.draw(columns, 30);
            for (const char c : text) REQUIRE((c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f)));
            CHECK(is_utf8(text));
            CHECK_FALSE(has(text, "\xc2\x9b"));
            CHECK_FALSE(has(text, "\xe2\x80\xae"));
        }
    };
    check_all();
    for (const char32_t by : {U'f', U'F', U't', U'P', U'l'}) {
        shown.press(by);
        check_all();
    }
    shown.press(Kind::enter);
    check_all();
    shown.press(Kind::escape);
    shown.press(U'/');
    shown.type("\033[2J");
    check_all();
    shown.press(Kind::escape);
    shown.model.say(evil, true);
    check_all();
    shown.model.show_checkpoints({{evil, "12:00:00", 1, 1}});
    check_all();
    shown.model.end(evil);
    check_all();
}

RULE("without UTF-8 all is ASCII, and characters that are not are question marks", "[screen]") {
    ShownModel shown({{"/srv/é.py", 17, "f", 1000}});
    const std::string text = shown.draw(100, 24, false);
    CHECK(is_plain(text));
    CHECK(has(text, ".py:17"));
    CHECK(has(text, "##"));
}

RULE("losses are loud, each with its cause", "[screen]") {
    const Utf8 locale;
    auto lossy = std::make_shared<Snapshot>(*state_of(shop));
    lossy->losses[0].count = 17;
    lossy->notes = {"a child is not followed: it is another user's"};
    ShownModel shown;
    shown.model.take(lossy);
    CHECK(has(shown.draw(120), "lost 17 · live table full 17"));
    bool loud = false;
    for (const Line& line : shown.canvas.lines)
        for (const Span& span : line.spans()) loud |= span.style == Style::loss && has(span.text, "lost 17");
    CHECK(loud);
    CHECK(has(shown.draw(160), "1 note: i"));
    shown.press(U'i');
    CHECK(has(shown.draw(), "a child is not followed"));
}

RULE("marks stand below the moment of the trend at which they were set", "[screen]") {
    const Utf8 locale;
    ShownModel shown;
    auto marked = std::make_shared<Snapshot>(*state_of(shop, 30));
    marked->marks.push_back({"before", marked->time - std::chrono::seconds(15), 4242, 0, {}});
    shown.model.take(marked);
    const std::string text = shown.draw(120, 30);
    CHECK(has(text, "▲before"));
    CHECK_FALSE(has(shown.draw(80, 14), "▲before"));  // no room
}

RULE("a sparkline shows the least as low and the most as high, blanks where nothing is known", "[screen]") {
    const std::vector<std::optional<double>> values{std::nullopt, 1.0, 8.0, 4.5};
    CHECK(sparkline(values, true) == " ▁█▅");
    CHECK(sparkline(values, false) == " _#=");
    CHECK(sparkline(std::vector<std::optional<double>>{3.0, 3.0}, true) == "▁▁");
    CHECK(sparkline({}, true).empty());
}

RULE("the history keeps the latest value of each part of time, and fills gaps with what was before", "[screen]") {
    using namespace std::chrono_literals;
    History history;
    CHECK(history.columns(3, 30s) == std::vector<std::optional<double>>(3));
    const std::chrono::sys_time<std::chrono::nanoseconds> begin(100s);
    history.add({begin, 1});
    history.add({begin + 1s, 2});
    history.add({begin + 25s, 3});
    CHECK(history.columns(3, 30s) == std::vector<std::optional<double>>{2.0, 2.0, 3.0});
    for (int i = 0; i < 10'000; ++i) history.add({begin + 26s + i * 1s, 4});
    CHECK(history.samples().size() <= 4096);
    history.add({begin, 9});  // the clock was set back
    CHECK(history.samples().size() == 1);
}

RULE("trends of rows are those of the last refreshes, and rows that went have none", "[screen]") {
    RowHistory rows;
    for (std::uint64_t i = 1; i <= 12; ++i) {
        rows.begin();
        rows.add(7, i);
    }
    CHECK(rows.of(7).front() == std::optional<double>(3));
    CHECK(rows.of(7).back() == std::optional<double>(12));
    CHECK_FALSE(rows.of(8).back());
    rows.begin();
    CHECK_FALSE(rows.of(7).back());
    rows.begin();
    rows.add(7, 1);
    CHECK_FALSE(rows.of(7)[8]);
    CHECK(rows.of(7)[9] == std::optional<double>(1));
}

RULE("the callers of a row are a tree, the largest branch first", "[screen]") {
    const Utf8 locale;
    const std::vector<test::Place> places{{"/a.py", 1, "put", 100, 1, "obj", {"small", "main"}},
                                          {"/a.py", 1, "put", 900, 9, "raw", {"large", "main"}},
                                          {"/b.py", 1, "other", 5000, 1, "obj", {"large", "main"}}};
    // Callers of one line each: "small" and "large" share caller.py:1, and so do their callers.
    const auto snapshot = state_of(places);
    const Callers callers = callers_of(snapshot, {}, {.by = GroupBy::line, .frames = {{"/a.py", 1, ""}}, .domain = {}}, true);
    CHECK(callers.bytes == 1000);
    CHECK(callers.count == 10);
    REQUIRE(callers.lines.size() == 3);
    CHECK(callers.lines[0].place.file == "/a.py");
    CHECK(callers.lines[0].bytes == 1000);
    const Callers of_file = callers_of(snapshot, {}, {.by = GroupBy::domain, .frames = {}, .domain = "obj"}, true);
    REQUIRE(of_file.lines.size() == 6);
    CHECK(of_file.lines[0].branch == "├─ ");
    CHECK(of_file.lines[0].place.file == "/b.py");
    CHECK(of_file.lines[1].branch == "│  ");
    CHECK(of_file.lines[3].branch == "└─ ");
    CHECK(of_file.lines[3].bytes == 100);
}

RULE("a table finds each of its rows again by its key, however blocks are grouped", "[screen]") {
    std::vector<test::Place> places = shop;
    places.push_back({"/srv/child.py", 3, "child", 5000, 1, "obj", {}, 77});
    const auto snapshot = state_of(places);
    for (const GroupBy by : {GroupBy::line, GroupBy::file, GroupBy::function, GroupBy::traceback, GroupBy::domain, GroupBy::process}) {
        TableQuery query;
        query.view.by = by;
        const Table table(snapshot, nullptr, query);
        REQUIRE(table.size() >= 2);
        for (std::size_t i = 0; i < table.size(); ++i) CHECK(table.find(table.key(i)) == std::optional(i));
    }
}

RULE("rows add up to the whole, and changes to what came and went", "[screen]") {
    std::vector<test::Place> later = shop;
    later[0].bytes += 1000;
    later.erase(later.begin() + 2);
    const Table table(state_of(later, 20), state_of(shop, 10), {.view = {}, .sort = SortBy::change, .reversed = false, .text = {}});
    REQUIRE(table.size() == 3);
    CHECK(table.row(0).size_diff_bytes == 1000);
    CHECK(table.rate(0) == Approx(100.0));
    CHECK(table.row(2).size_diff_bytes == -9000);
    CHECK(table.row(2).now.count == 0);
    CHECK(table.all_bytes() == (std::uint64_t{151 + 64} << 20) + 1000);
}
