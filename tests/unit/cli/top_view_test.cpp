// The periodic display of states made by hand: its exact text, and what must hold for any names and numbers.
#include "cli/top_view.hpp"

#include <fmt/format.h>

#include <chrono>
#include <clocale>
#include <sstream>

#include "support/catch.hpp"
#include "support/locale.hpp"

using namespace memtrace;
using memtrace::cli::display_width;
using memtrace::cli::render_top;
using memtrace::cli::Terminal;

namespace {

constexpr std::uint64_t mebi = std::uint64_t{1024} * 1024;

// Widths are those of a UTF-8 locale.
struct Utf8 : test::Locale {
    Utf8() : Locale("C.UTF-8") {}
};

struct Row {
    std::string file;
    std::uint32_t line = 0;
    std::string function;
    std::uint64_t bytes = 0;
    std::uint64_t blocks = 1;
    std::string domain = "obj";
    bool python = true;
};

Snapshot snapshot_of(const std::vector<Row>& rows) {
    Snapshot snapshot;
    snapshot.tool_version = "0.1";
    snapshot.traced_for = std::chrono::seconds(95);
    snapshot.events = 20'140'000;
    snapshot.tracing_cost = 0.09;
    Process process;
    process.pid = 4242;
    process.command = "python3 -m shop.worker";
    process.rss_bytes = 412 * mebi;
    Interner interner(snapshot);
    for (const Row& row : rows) {
        process.traced_bytes += row.bytes;
        Site site;
        site.domain = interner.string(row.domain);
        site.frames = {interner.frame({row.file, row.line, row.function, row.python})};
        // A part of what was allocated is freed again, as in life.
        site.counters = {.allocated_blocks = row.blocks + 10, .allocated_bytes = row.bytes + 1000, .freed_blocks = 10, .freed_bytes = 1000};
        snapshot.sites.push_back(std::move(site));
    }
    process.traced_peak_bytes = process.traced_bytes + 4 * mebi;
    snapshot.processes = {process};
    snapshot.losses = {{"live table full", 0, true}, {"return not seen", 0, true}, {"untracked frees", 1204, false}, {"unresolved", 0, false}};
    return snapshot;
}

const std::vector<Row> shop = {
    {"/srv/shop/app/cache.py", 88, "Cache.put", 151 * mebi, 402'111},
    {"/srv/shop/app/model.py", 12, "load_weights", 64 * mebi, 1, "malloc"},
    {"/usr/lib/libssl.so.3", 0, "CRYPTO_zalloc+0x15", 9000, 300, "malloc", false},
    {"<string>", 3, "", 100, 2},
};

Terminal plain() { return {}; }
Terminal terminal_of(unsigned columns, bool unicode = true, bool colour = false) { return {true, colour, unicode, columns}; }

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

std::string line_with(const std::string& text, const std::string& part) {
    for (const std::string& line : lines_of(text))
        if (line.find(part) != std::string::npos) return line;
    return "no line with " + part;
}

}  // namespace

RULE("the plain text of a display is exactly this") {
    const Utf8 locale;
    Snapshot snapshot = snapshot_of(shop);
    snapshot.notes = {"Python is not traced: no reason"};
    CHECK(render_top(snapshot, std::nullopt, {}, plain()) == R"(memtrace-bpf 0.1 - pid 4242 python3 -m shop.worker - traced 1 min 35 s - every 5 s
RSS 412 MiB | live 215 MiB in 402 414 blocks | peak 219 MiB
212 k events/s, tracing ~ 9.0 % of a core
lost 0: live table full 0 - return not seen 0
untracked frees 1 204 - unresolved 0
note: Python is not traced: no reason

   #        SIZE                     COUNT     AVERAGE  WHERE
   1     151 MiB                   402 111       393 B  shop/app/cache.py:88  Cache.put  obj
   2    64.0 MiB                         1    64.0 MiB  shop/app/model.py:12  load_weights  malloc
   3      9000 B                       300        30 B  usr/lib/libssl.so.3  CRYPTO_zalloc+0x15  malloc
   4       100 B                         2        50 B  <string>:3  obj
)");
}

RULE("on a terminal that is wide enough the same text has its own characters") {
    const Utf8 locale;
    CHECK(render_top(snapshot_of(shop), std::nullopt, {}, terminal_of(120)) ==
          R"(memtrace-bpf 0.1 · pid 4242 python3 -m shop.worker · traced 1 min 35 s · every 5 s
RSS 412 MiB │ live 215 MiB in 402 414 blocks │ peak 219 MiB
212 k events/s, tracing ≈ 9.0 % of a core
lost 0: live table full 0 · return not seen 0
untracked frees 1 204 · unresolved 0

   #        SIZE                     COUNT     AVERAGE  WHERE
   1     151 MiB                   402 111       393 B  shop/app/cache.py:88  Cache.put  obj
   2    64.0 MiB                         1    64.0 MiB  shop/app/model.py:12  load_weights  malloc
   3      9000 B                       300        30 B  usr/lib/libssl.so.3  CRYPTO_zalloc+0x15  malloc
   4       100 B                         2        50 B  <string>:3  obj
)");
}

RULE("changes and rates are those since the display before") {
    const Utf8 locale;
    std::vector<Row> rows = shop;
    const Snapshot before = snapshot_of(rows);
    rows[0].bytes += 3 * mebi;
    rows[0].blocks += 1000;
    rows[2].bytes -= 4000;
    rows[3] = {"/srv/shop/app/new.py", 1, "", 50, 1};
    Snapshot now = snapshot_of(rows);
    now.traced_for = before.traced_for + std::chrono::seconds(5);
    now.events = before.events + 10'000'000;
    now.tracing_cost = (before.tracing_cost * 95 + 0.5 * 5) / 100;  // half a core over the last five seconds
    CHECK(render_top(now, before, {}, plain()) == R"(memtrace-bpf 0.1 - pid 4242 python3 -m shop.worker - traced 1 min 40 s - every 5 s
RSS 412 MiB | live 218 MiB in 403 413 blocks | peak 222 MiB | grows 614 KiB/s
2.0 M events/s, tracing ~ 50.0 % of a core | allocs 199/s, 614 KiB/s | frees 0/s
lost 0: live table full 0 - return not seen 0
untracked frees 1 204 - unresolved 0

   #        SIZE       CHANGE        COUNT     AVERAGE  WHERE
   1     154 MiB    +3072 KiB      403 111       400 B  shop/app/cache.py:88  Cache.put  obj
   2    64.0 MiB         +0 B            1    64.0 MiB  shop/app/model.py:12  load_weights  malloc
   3      5000 B      -4000 B          300        16 B  usr/lib/libssl.so.3  CRYPTO_zalloc+0x15  malloc
   4        50 B        +50 B            1        50 B  shop/app/new.py:1  obj
)");
    CHECK(render_top(before, now, {}, plain()).find("shrinks") != std::string::npos);
}

RULE("every cause of loss is shown, zeros included, on the narrowest terminal too") {
    const Utf8 locale;
    Snapshot snapshot = snapshot_of(shop);
    snapshot.losses.clear();
    for (int i = 0; i < 9; ++i) snapshot.losses.push_back({fmt::format("cause number {}", i), 0, i < 6});
    for (const unsigned columns : {0U, 200U, 80U, 40U, 20U}) {
        Terminal terminal = terminal_of(columns);
        const std::string text = render_top(snapshot, std::nullopt, {}, terminal);
        INFO(text);
        CHECK(line_with(text, "lost").starts_with("lost 0"));
        for (int i = 0; i < 9; ++i) CHECK(text.find(fmt::format("cause number {} 0", i)) != std::string::npos);
    }
}

RULE("losses add up and stand out; qualifications do not count as losses") {
    const Utf8 locale;
    Snapshot snapshot = snapshot_of(shop);
    snapshot.losses = {{"live table full", 1200, true}, {"return not seen", 34, true}, {"untracked frees", 999, false}};
    CHECK(line_with(render_top(snapshot, std::nullopt, {}, plain()), "lost") == "lost 1 234: live table full 1 200 - return not seen 34");
    CHECK(render_top(snapshot, std::nullopt, {}, terminal_of(80, true, true)).find("\033[1;31mlost 1 234\033[0m") != std::string::npos);
    snapshot.losses[0].count = snapshot.losses[1].count = 0;
    CHECK(render_top(snapshot, std::nullopt, {}, terminal_of(80, true, true)).find("\033[1;31m") == std::string::npos);
}

RULE("without colours no escape is written, with them the same text appears between escapes") {
    const Utf8 locale;
    const Snapshot now = snapshot_of(shop);
    std::vector<Row> rows = shop;
    rows[0].bytes -= 100;
    const Snapshot before = snapshot_of(rows);
    const std::string bare = render_top(now, before, {}, terminal_of(100));
    std::string painted = render_top(now, before, {}, terminal_of(100, true, true));
    CHECK(bare.find('\033') == std::string::npos);
    CHECK(painted != bare);
    for (std::size_t at = painted.find('\033'); at != std::string::npos; at = painted.find('\033')) painted.erase(at, painted.find('m', at) - at + 1);
    CHECK(painted == bare);
}

RULE("names from the target cannot speak to the terminal or break a line") {
    const Utf8 locale;
    std::vector<Row> rows = {{"/tmp/\033[2J\nfake/\r\x07.py", 1, "f\n\033]0;title\x07", 100},
                             {"lib\033c.so", 0, "sym\n\t\x7f+0x1", 50, 1, "malloc", false},
                             {"\xff\xfe\xc3.py", 2,
                              "\xc2\x9b"
                              "31m",
                              20}};
    Snapshot snapshot = snapshot_of(rows);
    snapshot.processes.front().command = "evil\n\033[31mcommand\xff";
    snapshot.notes = {"/tmp/\033[2J\nlib.so is not read"};
    for (const Terminal& terminal : {plain(), terminal_of(200)}) {
        const std::string text = render_top(snapshot, std::nullopt, {}, terminal);
        INFO(text);
        for (const char c : text) CHECK((static_cast<unsigned char>(c) >= 0x20 || c == '\n'));
        CHECK(text.find('\x7f') == std::string::npos);
        CHECK(text.find("\xc2\x9b") == std::string::npos);
        CHECK(lines_of(text).size() == 5 + 1 + 2 + rows.size());
        CHECK(text.find("\\x1b[2J\\x0a") != std::string::npos);
    }
}

RULE("no line of the table is wider than the terminal, whatever the characters") {
    const Utf8 locale;
    const std::vector<Row> rows = {{"/srv/日本語/資料/とても長い名前のファイル.py", 88, "関数", 5 * mebi, 3},
                                   {"/srv/e\u0301e\u0301e\u0301/\U0001f40d\U0001f40d\U0001f40d/x.py", 1, "\U0001f40d", 4 * mebi},
                                   {"/srv/" + std::string(300, 'a') + "/b.py", 123456, "g", 3 * mebi},
                                   {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff.py", 4294967295U, "g", 2 * mebi, 999'999'999}};
    Snapshot snapshot = snapshot_of(rows);
    snapshot.processes.front().command = std::string(50, 'x') + " 日本語 " + std::string(500, 'y');
    for (const unsigned columns : {80U, 100U, 132U}) {
        const std::string text = render_top(snapshot, snapshot, {}, terminal_of(columns));
        for (const std::string& line : lines_of(text)) {
            INFO(columns << ": " << display_width(line) << ": " << line);
            CHECK(display_width(line) <= columns);
        }
    }
}

RULE("columns line up whether a place's characters are wide or not") {
    const Utf8 locale;
    const std::vector<Row> rows = {{"/a/日本語/b.py", 1, "関数", 2000, 1}, {"/a/b/c.py", 1, "f", 1000, 1}, {"\U0001f40d.py", 1, "", 500, 1}};
    const std::string text = render_top(snapshot_of(rows), std::nullopt, {}, plain());
    const std::size_t where = line_with(text, "WHERE").find("WHERE");
    for (const char* place : {"a/日本語/b.py:1", "a/b/c.py:1", "\U0001f40d.py:1"}) CHECK(line_with(text, place).find(place) == where);
}

RULE("the right end of a path and its line always show, however narrow the terminal and long the names") {
    const Utf8 locale;
    std::vector<Row> rows = shop;
    rows.push_back({"/srv/" + std::string(200, 'd') + "/worker.py", 88, "run", 4000});
    rows.push_back(
        {"/srv/include/vector_of_things.hpp", 12, "std::vector<" + std::string(200, 'T') + ">::reserve(unsigned long)", 3000, 1, "malloc", false});
    for (const unsigned columns : {80U, 100U, 160U}) {
        const std::string text = render_top(snapshot_of(rows), std::nullopt, {}, terminal_of(columns));
        INFO(columns << "\n" << text);
        for (const char* place : {"cache.py:88", "model.py:12", "<string>:3", "worker.py:88", "things.hpp:12"}) {
            INFO(place);
            CHECK(text.find(place) != std::string::npos);
        }
    }
}

RULE("a long command line does not hide how long the trace has run") {
    const Utf8 locale;
    Snapshot snapshot = snapshot_of(shop);
    snapshot.processes.front().command = "java -cp " + std::string(4000, 'x');
    const std::string first = lines_of(render_top(snapshot, std::nullopt, {}, terminal_of(100))).front();
    CHECK(first.find("pid 4242 java") != std::string::npos);
    CHECK(first.find("traced 1 min 35 s") != std::string::npos);
    CHECK(display_width(first) <= 100);
}

RULE("a display is rendered in a few milliseconds: it is drawn every second") {
    const Utf8 locale;
    std::vector<Row> rows;
    for (std::uint32_t i = 0; i < 2000; ++i) rows.push_back({"/srv/shop/app/" + std::to_string(i % 50) + ".py", i, "function", 1000 + i});
    Snapshot snapshot = snapshot_of(rows);
    snapshot.processes.front().command = std::string(4096, 'x');
    const auto begin = std::chrono::steady_clock::now();
    const std::string text = render_top(snapshot, snapshot, {}, terminal_of(80));
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    INFO(took.count());
    CHECK(text.size() > 1000);
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
    CHECK(took.count() < 20);
#endif
}

RULE("no more rows than asked for are shown; the rest is summed up") {
    const Utf8 locale;
    const std::string text = render_top(snapshot_of(shop), std::nullopt, {.rows = 2}, plain());
    CHECK(text.find("load_weights") != std::string::npos);
    CHECK(text.find("CRYPTO_zalloc") == std::string::npos);
    CHECK(lines_of(text).back() == "          9100 B  in 2 other lines");
    CHECK(render_top(snapshot_of(shop), std::nullopt, {.rows = 4}, plain()).find("other lines") == std::string::npos);
}

RULE("places that differ by their columns alone are one row, whose change is that of the line") {
    const Utf8 locale;
    const auto calls = [](std::uint64_t second_bytes) {
        Snapshot snapshot = snapshot_of({{"/srv/a.py", 7, "f", 1000}, {"/srv/a.py", 7, "f", second_bytes}});
        const FrameId second = Interner(snapshot).frame({"/srv/a.py", 7, "f", true, 7, 20, 31});
        snapshot.sites[1].frames = {second};
        return snapshot;
    };
    const std::string text = render_top(calls(5000), calls(3000), {}, plain());
    CHECK(lines_of(text).back() == "   1      6000 B      +2000 B            2      3000 B  /srv/a.py:7  f  obj");
}

RULE("with filters the rows are those of some domains, the totals still those of the process, and the header says so") {
    const Utf8 locale;
    const cli::TopOptions python_only{.view = View{.filters = {.domains = {{true, "raw"}, {true, "obj"}}, .files = {}}}};
    CHECK(render_top(snapshot_of(shop), std::nullopt, python_only, plain()) ==
          R"(memtrace-bpf 0.1 - pid 4242 python3 -m shop.worker - traced 1 min 35 s - every 5 s
RSS 412 MiB | live 215 MiB in 402 414 blocks | peak 219 MiB
212 k events/s, tracing ~ 9.0 % of a core
shown: only raw, obj
lost 0: live table full 0 - return not seen 0
untracked frees 1 204 - unresolved 0

   #        SIZE                     COUNT     AVERAGE  WHERE
   1     151 MiB                   402 111       393 B  shop/app/cache.py:88  Cache.put  obj
   2       100 B                         2        50 B  <string>:3  obj
)");
    const auto shown = [](std::vector<DomainFilter> filters) {
        return line_with(
            render_top(snapshot_of(shop), std::nullopt, {.view = View{.filters = {.domains = std::move(filters), .files = {}}}}, plain()), "shown");
    };
    CHECK(shown({{false, "mmap"}}) == "shown: without mmap");
    CHECK(shown({{false, "mmap"}, {true, "raw"}, {false, "malloc"}}) == "shown: only raw - without mmap, malloc");
}

RULE("changes under a filter are those of the blocks that it lets pass") {
    const Utf8 locale;
    const Snapshot before = snapshot_of({{"/srv/a.py", 7, "f", 1000}, {"/srv/a.py", 7, "f", 500, 1, "malloc"}});
    const Snapshot now = snapshot_of({{"/srv/a.py", 7, "f", 3000}, {"/srv/a.py", 7, "f", 9000, 1, "malloc"}});
    const std::string text = render_top(now, before, {.view = View{.filters = {.domains = {{false, "malloc"}}, .files = {}}}}, plain());
    CHECK(lines_of(text).back() == "   1      3000 B      +2000 B            1      3000 B  /srv/a.py:7  f  obj");
}

RULE("native blocks below Python code are one row with the Python line's others, or rows of their callers, which the header says") {
    const Utf8 locale;
    const auto loaded = [](std::uint64_t bytes) {
        Snapshot snapshot = snapshot_of({{"/srv/a.py", 7, "load", 1000}, {"/srv/a.py", 7, "load", bytes, 1, "malloc"}});
        const FrameId caller = Interner(snapshot).frame({"/usr/lib/libssl.so.3", 0, "CRYPTO_zalloc+0x15", false});
        snapshot.sites[1].frames.push_back(caller);
        return snapshot;
    };
    const std::string by_python = render_top(loaded(6000), loaded(5000), {}, plain());
    CHECK(by_python.find("shown:") == std::string::npos);
    CHECK(lines_of(by_python).back() == "   1      7000 B      +1000 B            2      3500 B  /srv/a.py:7  load  malloc,obj");
    const std::string by_native = render_top(loaded(6000), loaded(5000), {.view = View{.lines = Lines::native}}, plain());
    CHECK(line_with(by_native, "shown") == "shown: native lines");
    CHECK(line_with(by_native, "   1 ") == "   1      6000 B      +1000 B            1      6000 B  usr/lib/libssl.so.3  CRYPTO_zalloc+0x15  malloc");
    CHECK(lines_of(by_native).back() == "   2      1000 B         +0 B            1      1000 B  /srv/a.py:7  load  obj");
    const View both{.filters = {.domains = {{true, "raw"}, {false, "obj"}}, .files = {}}, .lines = Lines::native};
    CHECK(line_with(render_top(loaded(1), std::nullopt, {.view = both}, plain()), "shown") == "shown: only raw - without obj - native lines");
}

RULE("a filter that lets nothing pass gives a sentence that does not claim that nothing is live") {
    const Utf8 locale;
    const std::string text = render_top(snapshot_of(shop), std::nullopt, {.view = View{.filters = {.domains = {{true, "mmap"}}, .files = {}}}},
                                        plain());
    CHECK(lines_of(text).back() == "      nothing of what is shown is live that was allocated since tracing began");
    CHECK(text.find("live 215 MiB in 402 414 blocks") != std::string::npos);
}

RULE("with nothing live there is a sentence instead of rows") {
    const Utf8 locale;
    const std::string text = render_top(snapshot_of({}), std::nullopt, {}, plain());
    CHECK(lines_of(text).back() == "      nothing is live that was allocated since tracing began");
    CHECK(text.find("live 0 B in 0 blocks") != std::string::npos);
}

RULE("a display right at the beginning divides by nothing") {
    const Utf8 locale;
    Snapshot snapshot = snapshot_of(shop);
    snapshot.traced_for = {};
    snapshot.tracing_cost = 0;
    for (const std::optional<Snapshot>& before : {std::optional<Snapshot>(), std::optional<Snapshot>(snapshot)}) {
        const std::string text = render_top(snapshot, before, {}, plain());
        CHECK(text.find("inf") == std::string::npos);
        CHECK(text.find("nan") == std::string::npos);
        CHECK(text.find("traced 0.0 s") != std::string::npos);
    }
}

RULE("times are told in the two largest units") {
    const Utf8 locale;
    Snapshot snapshot = snapshot_of({});
    const std::pair<std::chrono::milliseconds, const char*> times[] = {{std::chrono::milliseconds(12'340), "traced 12.3 s"},
                                                                       {std::chrono::seconds(60), "traced 1 min 0 s"},
                                                                       {std::chrono::seconds(3599), "traced 59 min 59 s"},
                                                                       {std::chrono::seconds(3600), "traced 1 h 0 min"},
                                                                       {std::chrono::hours(100), "traced 100 h 0 min"}};
    for (const auto& [time, text] : times) {
        snapshot.traced_for = time;
        CHECK(render_top(snapshot, std::nullopt, {}, plain()).find(text) != std::string::npos);
    }
}

RULE("of several processes those that run count together, and the header tells how many there were") {
    const Utf8 locale;
    Snapshot snapshot = snapshot_of({{"/srv/app.py", 1, "f", 100, 1}, {"/srv/app.py", 1, "f", 1000, 10}, {"/srv/app.py", 2, "g", 10'000, 5}});
    snapshot.processes = {
        {4242, "server", 0, 5000, 0, 100, 200}, {4243, "worker", 0, 7000, 0, 1000, 3000}, {4244, "worker", 0, 9000, 0, 10'000, 20'000}};
    for (std::uint32_t i = 0; i < 3; ++i) snapshot.sites[i].process = i;
    snapshot.processes[2].ended = true;

    std::string text = render_top(snapshot, std::nullopt, {}, plain());
    CHECK(line_with(text, "pid 4242").find("pid 4242 and 2 children (1 ended) server") != std::string::npos);
    CHECK(line_with(text, "RSS") == "RSS 11.7 KiB | live 1100 B in 11 blocks | highest peak 19.5 KiB (pid 4244)");
    CHECK(line_with(text, "app.py:1").find("1100 B") != std::string::npos);
    CHECK(text.find("app.py:2") == std::string::npos);

    // When none is left, all count with what they held at their ends.
    for (Process& process : snapshot.processes) process.ended = true;
    text = render_top(snapshot, std::nullopt, {}, plain());
    CHECK(line_with(text, "RSS").find("live 10.8 KiB in 16 blocks") != std::string::npos);
    CHECK(text.find("app.py:2") != std::string::npos);
}

RULE("the top is grouped, sorted and told as asked, and says so") {
    const Utf8 locale;
    const Snapshot snapshot = snapshot_of(shop);
    cli::TopOptions options;
    options.view = View{.by = GroupBy::domain};
    std::string text = render_top(snapshot, std::nullopt, options, plain());
    CHECK(line_with(text, "shown") == "shown: by domain");
    CHECK(line_with(text, "   1 ") == "   1     151 MiB                   402 113       393 B  obj");

    options.view = View();
    options.view.order = Order::count;
    options.view.columns = {Column::count, Column::allocated, Column::function};
    options.view.filename_parts = 1;
    text = render_top(snapshot, std::nullopt, options, plain());
    CHECK(line_with(text, "WHERE") == "   #        COUNT   ALLOCATED  WHERE");
    CHECK(line_with(text, "   1 ") == "   1      402 111     151 MiB  cache.py:88  Cache.put");
    CHECK(line_with(text, "   2 ") == "   2          300     10000 B  libssl.so.3  CRYPTO_zalloc+0x15");
}

RULE("a traceback in the top has a line for each frame, the newest in the row") {
    const Utf8 locale;
    Snapshot snapshot = snapshot_of({{"/srv/app.py", 1, "f", 100}});
    snapshot.sites[0].frames.push_back(Interner(snapshot).frame({"/srv/main.py", 9, "main", true}));
    cli::TopOptions options;
    options.view = View{.by = GroupBy::traceback};
    const std::vector<std::string> lines = lines_of(render_top(snapshot, std::nullopt, options, plain()));
    CHECK(lines[lines.size() - 2].find("/srv/app.py:1  f  obj") == lines.back().find("/srv/main.py:9  main"));
    CHECK(lines.back().find_first_not_of(' ') == lines.back().find("/srv/main.py:9"));
}

RULE("sorted by change the top shows what has gone, too") {
    const Utf8 locale;
    const Snapshot before = snapshot_of({{"/srv/gone.py", 1, "f", 5000}, {"/srv/stays.py", 1, "f", 9000}}),
                   now = snapshot_of({{"/srv/stays.py", 1, "f", 9000}});
    cli::TopOptions options;
    CHECK(render_top(now, before, options, plain()).find("gone.py") == std::string::npos);
    options.view.order = Order::diff;
    CHECK(line_with(render_top(now, before, options, plain()), "   1 ").find("gone.py") != std::string::npos);
}

RULE("a view that the state cannot give is told instead of rows") {
    const Utf8 locale;
    cli::TopOptions options;
    options.view = View{.by = GroupBy::thread};
    CHECK(render_top(snapshot_of(shop), std::nullopt, options, plain()).find("threads were not kept apart") != std::string::npos);
}
