#include "model/statistics.hpp"

#include <algorithm>
#include <chrono>

#include "format/text.hpp"
#include "model/first_rows.hpp"
#include "support/catch.hpp"
#include "unit/format/samples.hpp"

using namespace memtrace;
using memtrace::test::SnapshotBuilder;

namespace {

/// What people see of a Statistic.
struct Shown {
    std::string file;
    std::uint32_t line = 0;
    std::string function;
    bool by_function = false;
    std::string domains;
    std::uint64_t size_bytes = 0;
    std::uint64_t count = 0;
    bool operator==(const Shown&) const = default;
};

struct ShownDiff {
    Shown now;
    std::int64_t size_diff_bytes = 0;
    std::int64_t count_diff = 0;
    bool operator==(const ShownDiff&) const = default;
};

Shown shown(const Statistic& row) {
    return {std::string(row.place.file), row.place.line, std::string(row.function), row.place.by_function, row.domains, row.size_bytes, row.count};
}

std::vector<Shown> rows_of(const Snapshot& snapshot, const View& view = {}) {
    std::vector<Shown> rows;
    for (const Statistic& row : statistics(snapshot, view)) rows.push_back(shown(row));
    return rows;
}

std::vector<ShownDiff> diffs_of(const Snapshot& before, const Snapshot& after, const View& view = {}) {
    std::vector<ShownDiff> rows;
    for (const StatisticDiff& row : compare(before, after, view)) rows.push_back({shown(row.now), row.size_diff_bytes, row.count_diff});
    return rows;
}

std::vector<std::string> places(const std::vector<Shown>& rows) {
    std::vector<std::string> places;
    places.reserve(rows.size());
    for (const Shown& row : rows) places.push_back(row.file + ":" + std::to_string(row.line));
    return places;
}

std::vector<std::string> places(const std::vector<ShownDiff>& diffs) {
    std::vector<Shown> now;
    now.reserve(diffs.size());
    for (const ShownDiff& diff : diffs) now.push_back(diff.now);
    return places(now);
}

const View kNative{.lines = Lines::native};

/// One Python line, below which a library without lines, one with lines, and Python itself allocate.
Snapshot below_python() {
    Snapshot snapshot;
    Interner interner(snapshot);
    snapshot.processes.resize(1);
    const FrameId line = interner.frame({"app.py", 5, "load", true}), caller = interner.frame({"app.py", 9, "main", true});
    const FrameId ssl = interner.frame({"libssl.so.3", 0, "zalloc+0x15", false}), grow = interner.frame({"array.c", 40, "grow", false});
    snapshot.sites = {{0, interner.string("malloc"), {line, caller, ssl, grow}, 4, {1, 100, 0, 0}},
                      {0, interner.string("mmap"), {line, grow, ssl}, 3, {1, 10, 0, 0}},
                      {0, interner.string("obj"), {line, caller}, 2, {1, 1, 0, 0}}};
    return snapshot;
}

/// Lines as they are printed: all that counts of their order.
template <typename Row>
std::vector<std::string> texts(const std::vector<Row>& rows) {
    std::vector<std::string> texts;
    for (const Row& row : rows) texts.push_back(format_line(row));
    return texts;
}

}  // namespace

RULE("the first rows alone are the first of all rows, ties included") {
    SnapshotBuilder before, after;
    for (unsigned i = 0; i < 300; ++i) {
        before.python("f" + std::to_string(i * 7 % 300) + ".py", 1, 8 * (i % 5));
        after.python("f" + std::to_string(i) + ".py", 1, 8 * (i % 7));
    }
    for (const GroupBy by : {GroupBy::line, GroupBy::traceback}) {
        const View view{.by = by};
        const std::vector<std::string> all = texts(statistics(after.get(), view)), diffs = texts(compare(before.get(), after.get(), view));
        for (const std::size_t most : {0, 1, 10, 100, 250, 1000}) {
            const auto first = [&](const std::vector<std::string>& rows) {
                return std::vector(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(std::min(most, rows.size())));
            };
            CHECK(texts(first_statistics(after.get(), view, most)) == first(all));
            CHECK(texts(first_differences(before.get(), after.get(), view, most)) == first(diffs));
        }
    }
}

RULE("blocks of one line are one group, whatever their stack below, domain or process") {
    Snapshot snapshot;
    Interner interner(snapshot);
    snapshot.processes.resize(2);
    const FrameId top = interner.frame({"a.py", 1, "f", true}), below = interner.frame({"b.py", 2, "g", true});
    const StringId obj = interner.string("obj"), mem = interner.string("mem");
    snapshot.sites = {{0, obj, {top}, 1, {1, 10, 0, 0}}, {1, mem, {top, below}, 2, {3, 30, 1, 10}}, {0, obj, {top}, 1, {1, 5, 0, 0}}};

    const std::vector<Shown> rows = rows_of(snapshot);

    REQUIRE(rows.size() == 1);
    CHECK(rows[0] == Shown{"a.py", 1, "f", false, "mem,obj", 35, 4});
}

RULE("frames that differ by their columns alone are one line, in statistics and in differences") {
    Snapshot before, after;
    for (Snapshot* snapshot : {&before, &after}) {
        Interner interner(*snapshot);
        snapshot->processes.resize(1);
        const StringId obj = interner.string("obj");
        const FrameId left = interner.frame({"a.py", 1, "f", true, 1, 5, 9}), right = interner.frame({"a.py", 1, "f", true, 2, 12, 20});
        snapshot->sites = {{0, obj, {left}, 1, {1, 10, 0, 0}}, {0, obj, {right}, 1, {2, 20, 0, 0}}};
    }
    after.sites.pop_back();
    before.sites.erase(before.sites.begin());

    CHECK(rows_of(after) == std::vector<Shown>{{"a.py", 1, "f", false, "obj", 10, 1}});
    CHECK(diffs_of(before, after) == std::vector<ShownDiff>{{{"a.py", 1, "f", false, "obj", 10, 1}, -10, -1}});
    after.sites.push_back(before.sites.front());
    CHECK(rows_of(after) == std::vector<Shown>{{"a.py", 1, "f", false, "obj", 30, 3}});
}

RULE("a Python frame and a native one of the same file and line are one group") {
    SnapshotBuilder builder;
    builder.python("x.pyx", 7, 10).native("x.pyx", 7, "impl", 20);
    REQUIRE(rows_of(builder.get()).size() == 1);
}

RULE("native code without lines is grouped by function, so that two functions of one library stay apart") {
    SnapshotBuilder builder;
    builder.native("libfoo.so.1", 0, "make+0x1f", 10).native("libfoo.so.1", 0, "grow+0x2", 20).native("libfoo.so.1", 0, "make+0x1f", 5);

    const std::vector<Shown> rows = rows_of(builder.get());

    REQUIRE(rows.size() == 2);
    CHECK(rows[0] == Shown{"libfoo.so.1", 0, "grow+0x2", true, "malloc", 20, 1});
    CHECK(rows[1] == Shown{"libfoo.so.1", 0, "make+0x1f", true, "malloc", 15, 2});
}

RULE("native code without line and function, and Python code without line, are grouped by file alone") {
    SnapshotBuilder builder;
    builder.native("<unknown>", 0, "", 10).python("<unknown>", 0, 20);
    const std::vector<Shown> rows = rows_of(builder.get());
    REQUIRE(rows.size() == 1);
    CHECK_FALSE(rows[0].by_function);
}

RULE(".pyc is read as .py, also where only one of the two spellings occurs") {
    SnapshotBuilder builder;
    builder.python("a.pyc", 1, 1).python("a.py", 1, 1).python("b.pyc", 1, 1).python(".pyc", 1, 1).python("c.pyc.x", 1, 1);
    CHECK(places(rows_of(builder.get())) == std::vector<std::string>{"a.py:1", "c.pyc.x:1", "b.py:1", ".py:1"});
}

RULE("a line whose blocks were all freed is left out, one with empty blocks is not") {
    SnapshotBuilder builder;
    builder.python("empty_blocks.py", 1, 0, 3).python("nothing_live.py", 1, 0, 0);
    CHECK(places(rows_of(builder.get())) == std::vector<std::string>{"empty_blocks.py:1"});
}

RULE("statistics are ordered by size, then count, then file, then line, all descending") {
    SnapshotBuilder builder;
    builder.python("a.py", 1, 50, 1).python("a.py", 2, 50, 1).python("a.py", 10, 50, 1).python("b.py", 1, 50, 1);
    builder.python("a.py", 3, 50, 2).python("z.py", 1, 49, 9);
    CHECK(places(rows_of(builder.get())) == std::vector<std::string>{"a.py:3", "b.py:1", "a.py:10", "a.py:2", "a.py:1", "z.py:1"});
}

RULE("file names compare as Python compares them: by code point, not by UTF-16 unit or signed byte") {
    SnapshotBuilder builder;
    builder.python("z", 1, 1).python("\xef\xbf\xbd", 1, 1).python("\xf0\x9f\x90\x8d", 1, 1).python("\xc3\xa9", 1, 1);
    CHECK(places(rows_of(builder.get())) == std::vector<std::string>{"\xf0\x9f\x90\x8d:1", "\xef\xbf\xbd:1", "\xc3\xa9:1", "z:1"});
}

RULE("a comparison lists new, grown, unchanged and vanished lines") {
    SnapshotBuilder before, after;
    before.python("grown.py", 1, 100, 1).python("same.py", 1, 70, 2).python("gone.py", 1, 16, 1, "raw");
    after.python("new.py", 1, 5, 1).python("same.py", 1, 70, 2).python("grown.py", 1, 150, 3);

    const std::vector<ShownDiff> diffs = diffs_of(before.get(), after.get());

    REQUIRE(places(diffs) == std::vector<std::string>{"grown.py:1", "gone.py:1", "new.py:1", "same.py:1"});
    CHECK(diffs[0] == ShownDiff{{"grown.py", 1, "f", false, "obj", 150, 3}, 50, 2});
    CHECK(diffs[1] == ShownDiff{{"gone.py", 1, "f", false, "raw", 0, 0}, -16, -1});
    CHECK(diffs[2] == ShownDiff{{"new.py", 1, "f", false, "obj", 5, 1}, 5, 1});
    CHECK(diffs[3] == ShownDiff{{"same.py", 1, "f", false, "obj", 70, 2}, 0, 0});
}

RULE("differences are ordered by |size change|, size, |count change|, count, file and line, descending") {
    SnapshotBuilder before, after;
    before.python("a", 1, 10, 1).python("b", 1, 30, 1).python("c", 1, 10, 5).python("d", 1, 10, 1).python("e", 1, 10, 1);
    after.python("a", 1, 20, 1).python("b", 1, 20, 1).python("c", 1, 20, 2).python("d", 1, 20, 2).python("e", 1, 20, 1);
    after.python("e", 2, 10, 1);
    CHECK(places(diffs_of(before.get(), after.get())) == std::vector<std::string>{"c:1", "d:1", "e:1", "b:1", "a:1", "e:2"});
}

RULE("snapshots are compared by names, whatever numbers their strings have") {
    SnapshotBuilder before, after;
    before.native("libc.so.6", 0, "strdup+0x1a", 10).python("a.pyc", 1, 10);
    after.python("other.py", 9, 0, 0).python("a.py", 1, 10).native("libc.so.6", 0, "strdup+0x1a", 10);
    for (const ShownDiff& diff : diffs_of(before.get(), after.get())) {
        CHECK(diff.size_diff_bytes == 0);
        CHECK(diff.count_diff == 0);
    }
}

RULE("blocks that do not pass the filters count in no statistic and no difference") {
    SnapshotBuilder before, after;
    before.python("a.py", 1, 10).python("a.py", 1, 5, 1, "raw").native("lib.so", 0, "f", 7);
    after.python("a.py", 1, 30).python("a.py", 1, 1000, 9, "raw").native("lib.so", 0, "f", 700).python("b.py", 2, 1, 1, "raw");
    const View only_obj{.filters = {.domains = {{true, "obj"}}, .files = {}}}, without_raw{.filters = {.domains = {{false, "raw"}}, .files = {}}};

    CHECK(rows_of(after.get(), only_obj) == std::vector<Shown>{{"a.py", 1, "f", false, "obj", 30, 1}});
    CHECK(places(rows_of(after.get(), without_raw)) == std::vector<std::string>{"lib.so:0", "a.py:1"});
    CHECK(diffs_of(before.get(), after.get(), only_obj) == std::vector<ShownDiff>{{{"a.py", 1, "f", false, "obj", 30, 1}, 20, 0}});
}

RULE("a native block below Python code is shown by its Python line, or by its newest native caller where native lines are asked for") {
    const Snapshot snapshot = below_python();
    CHECK(rows_of(snapshot) == rows_of(snapshot, {.lines = Lines::python}));
    CHECK(rows_of(snapshot) == std::vector<Shown>{{"app.py", 5, "load", false, "malloc,mmap,obj", 111, 3}});
    CHECK(rows_of(snapshot, kNative) == std::vector<Shown>{{"libssl.so.3", 0, "zalloc+0x15", true, "malloc", 100, 1},
                                                           {"array.c", 40, "grow", false, "mmap", 10, 1},
                                                           {"app.py", 5, "load", false, "obj", 1, 1}});
}

RULE("where native lines are asked for, blocks without a native frame keep their line, and those without a Python one, too") {
    SnapshotBuilder builder;
    builder.python("a.py", 1, 10, 1, "raw").python("<unknown>", 0, 5).native("main.c", 7, "main", 20);
    CHECK(rows_of(builder.get(), kNative) == rows_of(builder.get()));
}

RULE("native lines are compared with native lines, and filtered as others are") {
    Snapshot before = below_python();
    const Snapshot after = below_python();
    before.sites.erase(before.sites.begin());
    CHECK(diffs_of(before, after, kNative).front() == ShownDiff{{"libssl.so.3", 0, "zalloc+0x15", true, "malloc", 100, 1}, 100, 1});
    CHECK(places(diffs_of(before, after, {.filters = {.domains = {{false, "mmap"}}, .files = {}}, .lines = Lines::native})) ==
          std::vector<std::string>{"libssl.so.3:0", "app.py:5"});
}

RULE("snapshots without sites give no statistics and no differences") {
    const Snapshot empty;
    CHECK(statistics(empty).empty());
    CHECK(compare(empty, empty).empty());
}

RULE("a million sites are grouped in an instant") {
    const Snapshot snapshot = memtrace::test::large_snapshot(1'000'000, 1);
    const auto start = std::chrono::steady_clock::now();
    const std::size_t groups = statistics(snapshot).size();
    const auto took = std::chrono::steady_clock::now() - start;
    CHECK(groups == 20'000);
    // Two orders of magnitude above the usual: fails for a quadratic step, not for a busy machine or a sanitizer.
    CHECK(took < std::chrono::seconds(5));
}
