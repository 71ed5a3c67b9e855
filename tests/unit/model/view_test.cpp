// Views: every key, what counts, bounds of single blocks, order, growth. Lines, files and tracebacks are compared with CPython's own in
// tests/unit/format/tracemalloc_differential_test.cpp.
#include "model/view.hpp"

#include "format/text.hpp"
#include "model/statistics.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace std::chrono_literals;

namespace {

/// Two processes, two threads of the first; recursion, a library, blocks of several sizes and ages.
Snapshot service() {
    Snapshot snapshot;
    Interner interner(snapshot);
    snapshot.has_blocks = snapshot.threads_apart = true;
    snapshot.processes = {{7, "server", 100}, {8, "worker", 200}};
    const StringId obj = interner.string("obj"), malloc = interner.string("malloc"), pool = interner.string("pool");
    const FrameId put = interner.frame({"a.py", 1, "put", true}), get = interner.frame({"a.py", 5, "get", true});
    const FrameId alloc = interner.frame({"libz.so", 0, "inflate+0x1f", false}), more = interner.frame({"libz.so", 0, "inflate+0x2a", false});
    snapshot.sites = {
        {0, obj, {put, put, get}, 3, {5, 500, 2, 100}, 7, {}, {{100, age_step(1s), 1}, {300, age_step(10min), 1}, {0, age_step(2h), 1}}},
        {0, malloc, {alloc}, 1, {1, 1000, 0, 0}, 9, pool, {{1000, age_step(1min), 1}}},
        {1, malloc, {more}, 1, {1, 10, 0, 0}, 8, {}, {{10, age_step(1s), 1}}},
        {1, obj, {get}, 1, {4, 400, 4, 400}, 8, {}, {}}};
    return snapshot;
}

std::vector<std::string> lines(const Snapshot& snapshot, const View& view, const LineFormat& format = {{Column::size, Column::count}}) {
    std::vector<std::string> lines;
    for (const Statistic& row : statistics(snapshot, view)) lines.push_back(format_line(row, format));
    return lines;
}

using Texts = std::vector<std::string>;

}  // namespace

RULE("blocks are grouped by function without the offset in it, by domain, by process, by thread") {
    const Snapshot snapshot = service();
    CHECK(lines(snapshot, {.by = GroupBy::function}) == Texts{"libz.so(inflate): size=1010 B, count=2", "a.py(put): size=400 B, count=3"});
    CHECK(lines(snapshot, {.by = GroupBy::domain}) == Texts{"malloc: size=1010 B, count=2", "obj: size=400 B, count=3"});
    CHECK(lines(snapshot, {.by = GroupBy::process}) == Texts{"pid 7 (server): size=1400 B, count=4", "pid 8 (worker): size=10 B, count=1"});
    CHECK(lines(snapshot, {.by = GroupBy::thread}) ==
          Texts{"pid 7 thread 9 (pool): size=1000 B, count=1", "pid 7 thread 7: size=400 B, count=3", "pid 8 thread 8: size=10 B, count=1"});
}

RULE("cumulatively a recursive function counts as often as it is on the stack") {
    CHECK(lines(service(), {.by = GroupBy::function, .cumulative = true}) ==
          Texts{"libz.so(inflate): size=1010 B, count=2", "a.py(put): size=800 B, count=6", "a.py(get): size=400 B, count=3"});
}

RULE("what was allocated or freed counts instead of what is live, of ended processes too") {
    Snapshot snapshot = service();
    snapshot.processes[1].ended = true;
    CHECK(lines(snapshot, {.by = GroupBy::process}) == Texts{"pid 7 (server): size=1400 B, count=4"});
    CHECK(lines(snapshot, {.by = GroupBy::process, .counted = Counted::allocated}) ==
          Texts{"pid 7 (server): size=1500 B, count=6", "pid 8 (worker): size=410 B, count=5"});
    CHECK(lines(snapshot, {.by = GroupBy::process, .counted = Counted::freed}) ==
          Texts{"pid 8 (worker): size=400 B, count=4", "pid 7 (server): size=100 B, count=2"});
}

RULE("bounds of sizes are inclusive, and no block younger than the age counts") {
    const Snapshot snapshot = service();
    const auto total = [&](BlockBounds bounds) { return lines(snapshot, {.by = GroupBy::domain, .blocks = bounds}); };
    CHECK(total({.min_size_bytes = 100, .max_size_bytes = 300}) == Texts{"obj: size=400 B, count=2"});
    CHECK(total({.min_size_bytes = 101, .max_size_bytes = 999}) == Texts{"obj: size=300 B, count=1"});
    CHECK(total({.max_size_bytes = 0}) == Texts{"obj: size=0 B, count=1"});
    CHECK(total({.older = 50s}) == Texts{"malloc: size=1000 B, count=1", "obj: size=300 B, count=2"});
    CHECK(total({.older = 61s}) == Texts{"obj: size=300 B, count=2"});
    CHECK(total({.min_size_bytes = 1, .older = 3h}).empty());
}

RULE("the age of a group is that of its oldest block that counts") {
    const Snapshot snapshot = service();
    const auto oldest = [&](BlockBounds bounds) {
        for (const Statistic& row : statistics(snapshot, {.by = GroupBy::domain, .blocks = bounds}))
            if (row.domains == "obj") return *row.oldest;
        return std::chrono::milliseconds(-1);
    };
    CHECK(oldest({}) == age_of(age_step(2h)));
    CHECK(oldest({.min_size_bytes = 1, .max_size_bytes = 999}) == age_of(age_step(10min)));
    Snapshot without = snapshot;
    without.has_blocks = false;
    CHECK_FALSE(statistics(without).front().oldest);
}

RULE("views that make no sense are refused with the reason") {
    const auto refused = [](const View& view) {
        const Result<void> sense = check(view);
        return sense ? std::string() : sense.error().what;
    };
    for (const GroupBy by : {GroupBy::traceback, GroupBy::domain, GroupBy::process, GroupBy::thread})
        CHECK(refused({.by = by, .cumulative = true}).find(name_of(by)) != std::string::npos);
    for (const GroupBy by : {GroupBy::line, GroupBy::file, GroupBy::function}) CHECK(refused({.by = by, .cumulative = true}).empty());
    CHECK_FALSE(refused({.counted = Counted::freed, .blocks = {.min_size_bytes = 1}}).empty());
    CHECK_FALSE(refused({.blocks = {.min_size_bytes = 2, .max_size_bytes = 1}}).empty());
}

RULE("a snapshot without single blocks has no bounds, one without threads no view by thread") {
    Snapshot snapshot = service();
    CHECK(check({.by = GroupBy::thread, .blocks = {.older = 1s}}, snapshot));
    snapshot.has_blocks = false;
    CHECK_FALSE(check({.blocks = {.older = 1s}}, snapshot));
    CHECK_FALSE(check({.blocks = {.min_size_bytes = 1}}, snapshot));
    CHECK(check({.by = GroupBy::thread}, snapshot));
    snapshot.threads_apart = false;
    CHECK_FALSE(check({.by = GroupBy::thread}, snapshot));
}

RULE("rows are sorted by any of their figures, equal ones as they were") {
    const Snapshot snapshot = service();
    const auto first = [&](Order order) {
        std::vector<Statistic> rows = statistics(snapshot, {.by = GroupBy::domain});
        sort(rows, order);
        return rows.front().domains;
    };
    CHECK(first(Order::size) == "malloc");
    CHECK(first(Order::count) == "obj");
    CHECK(first(Order::alloc) == "malloc");
    CHECK(first(Order::freed) == "obj");
    CHECK(first(Order::age) == "obj");
}

RULE("growth lists what grew in every interval, by total growth") {
    const auto moment = [](std::uint64_t steady, std::uint64_t slow, std::uint64_t shaky) {
        Snapshot snapshot;
        Interner interner(snapshot);
        snapshot.processes.resize(1);
        const StringId obj = interner.string("obj");
        snapshot.sites = {{0, obj, {interner.frame({"steady.py", 1, "f", true})}, 1, {1, steady}},
                          {0, obj, {interner.frame({"slow.py", 1, "f", true})}, 1, {1, slow}},
                          {0, obj, {interner.frame({"shaky.py", 1, "f", true})}, 1, {1, shaky}}};
        return snapshot;
    };
    const std::vector<Snapshot> moments{moment(10, 100, 5), moment(20, 101, 900), moment(90, 102, 900)};
    const std::vector<Growth> rows = growth(moments);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].diff.now.place.file == "steady.py");
    CHECK(rows[0].sizes == std::vector<std::uint64_t>{10, 20, 90});
    CHECK(rows[0].diff.size_diff_bytes == 80);
    CHECK(rows[1].diff.now.place.file == "slow.py");
}

RULE("what was not there at first has grown from nothing") {
    Snapshot none, some, more;
    for (Snapshot* snapshot : {&some, &more}) {
        Interner interner(*snapshot);
        snapshot->sites = {{0, interner.string("obj"), {interner.frame({"new.py", 1, "f", true})}, 1, {1, snapshot == &some ? 5U : 6U}}};
    }
    const std::vector<Snapshot> moments{none, some, more};
    REQUIRE(growth(moments).size() == 1);
    CHECK(growth(moments)[0].diff.size_diff_bytes == 6);
}
