// The report of `leaks`: its exact text, and numbers that other tools' counters do not hold.
#include "cli/leaks_view.hpp"

#include <cstdlib>
#include <ctime>

#include "support/catch.hpp"

using namespace memtrace;
using memtrace::cli::LeaksReport;
using memtrace::cli::render_leaks;
using memtrace::cli::ViewOptions;

namespace {

struct Utc {
    Utc() {
        setenv("TZ", "UTC", 1);
        tzset();
    }
    ~Utc() {
        unsetenv("TZ");
        tzset();
    }
};

Snapshot sample() {
    Snapshot snapshot;
    Interner interner(snapshot);
    snapshot.time = std::chrono::sys_days(std::chrono::year(2026) / 11 / 28) + std::chrono::hours(13) + std::chrono::minutes(8) +
                    std::chrono::seconds(5);
    snapshot.has_blocks = true;
    snapshot.processes.resize(1);
    const FrameId leak = interner.frame({"/src/app/leak.c", 12, "leak", false}), main = interner.frame({"/src/app/leak.c", 40, "main", false});
    const FrameId start = interner.frame({"libc.so.6", 0, "__libc_start_main+0x80", false});
    const FrameId put = interner.frame({"/srv/shop/app/cache.py", 88, "Cache.put\033", true});
    snapshot.sites = {{0, interner.string("malloc"), {leak, main, start}, 3, {7, 112, 2, 32}},
                      {0, interner.string("obj"), {put}, 1, {3, 3000, 0, 0}}};
    snapshot.sites[0].blocks = {{16, age_step(std::chrono::milliseconds(700)), 4}, {16, age_step(std::chrono::milliseconds(3000)), 1}};
    snapshot.sites[1].blocks = {{1000, age_step(std::chrono::seconds(8)), 3}};
    snapshot.losses = {{"live table full", 0, true}, {"untracked frees", 1204, false}};
    snapshot.notes = {"something is not seen"};
    return snapshot;
}

ViewOptions view() {
    ViewOptions view;
    view.by = GroupBy::traceback;
    return view;
}

}  // namespace

RULE("the text of a leak report is exactly this") {
    const Utc zone;
    const LeaksReport report;
    CHECK(render_leaks(sample(), std::nullopt, {report, view()}, {}) ==
          "[13:08:05] Top 2 stacks with outstanding allocations:\n"
          "\t3000 bytes in 3 allocations from stack (oldest 7.9 s)\n"
          "\t\tCache.put\\x1b [shop/app/cache.py:88]\n"
          "\t80 bytes in 5 allocations from stack (oldest 2.9 s)\n"
          "\t\tleak [src/app/leak.c:12]\n"
          "\t\tmain [src/app/leak.c:40]\n"
          "\t\t__libc_start_main+0x80 [libc.so.6]\n"
          "3080 bytes in 8 allocations outstanding in all, from 2 stacks\n"
          "lost 0: live table full 0\n"
          "untracked frees 1 204\n"
          "note: something is not seen\n");
}

RULE("later reports tell what came and went since; bounds and the number of stacks hold") {
    const Utc zone;
    const std::optional<Snapshot> before = sample();
    Snapshot now = sample();
    now.sites[0].counters = {9, 144, 2, 32};
    now.sites[0].blocks = {{16, age_step(std::chrono::milliseconds(100)), 2}, {16, age_step(std::chrono::milliseconds(2000)), 5}};
    now.sites[1].counters = {3, 3000, 3, 3000};
    now.sites[1].blocks.clear();
    const LeaksReport report{.stacks = 1};
    const std::string all = render_leaks(now, before, {report, view()}, {});
    INFO(all);
    CHECK(all.find("] Top 1 stacks with") != std::string::npos);
    CHECK(all.find("\t112 bytes in 7 allocations from stack (oldest 2.0 s, +32 bytes in +2 allocations)\n") != std::string::npos);
    CHECK(all.find("cache.py") == std::string::npos);
    ViewOptions older = view();
    older.blocks.older = std::chrono::milliseconds(500);
    const std::string old = render_leaks(now, before, {report, older}, {});
    INFO(old);
    CHECK(old.find("\t80 bytes in 5 allocations from stack (oldest 2.0 s, +0 bytes in +0 allocations)\n") != std::string::npos);
    CHECK(old.find("younger ones than 500 ms are not among them (-o)\n") != std::string::npos);
    const std::string first = render_leaks(sample(), std::nullopt, {report, view()}, {});
    CHECK(first.find("from 2 stacks, 1 of them not shown\n") != std::string::npos);
}

RULE("counts beyond 24 bits and bytes beyond 40 are told as they are") {
    Snapshot much = sample();
    much.sites[1].counters = {std::uint64_t{1} << 25, std::uint64_t{1} << 45, 0, 0};
    much.sites[1].blocks = {{std::uint64_t{1} << 20, AgeStep{}, std::uint64_t{1} << 25}};
    const LeaksReport report;
    CHECK(render_leaks(much, std::nullopt, {report, view()}, {}).find("\t35184372088832 bytes in 33554432 allocations from stack") !=
          std::string::npos);
}

RULE("histograms stand below their stack and, of all, below the sum") {
    LeaksReport report;
    report.histogram = true;
    ViewOptions wanted = view();
    wanted.histograms = true;
    const std::string text = render_leaks(sample(), std::nullopt, {report, wanted}, {});
    INFO(text);
    CHECK(text.find("[libc.so.6]\n\tsize ") != std::string::npos);
    CHECK(text.find("from 2 stacks\n\tsize ") != std::string::npos);
    CHECK(text.find("\t[16 B, 32 B)                        5         80 B  ####") != std::string::npos);
}
