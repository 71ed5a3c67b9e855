// Pictures of a saved snapshot, whole: what people see at three sizes, and without colours. MEMTRACE_GOLDEN=write makes them anew.
#include <cstdlib>
#include <fstream>

#include "format/pprof.hpp"
#include "support/catch.hpp"
#include "support/pty.hpp"
#include "support/tmux.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

struct Row {
    const char* file;
    std::uint32_t line;
    const char* function;
    std::uint64_t bytes, blocks;
    const char* domain;
    bool python = true;
    std::vector<const char*> callers = {};
};

Snapshot sample(std::uint64_t factor = 1, const char* extra = nullptr) {
    Snapshot snapshot;
    snapshot.tool_version = "0.1.0";
    snapshot.traced_for = std::chrono::seconds(95);
    snapshot.time = std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::seconds(1'700'000'000 + factor));
    snapshot.tracing_cost = 0.09;
    snapshot.frame_limit = 16;
    Process process;
    process.pid = 4242;
    process.command = "python3 -m shop.worker --port 8080";
    process.rss_bytes = std::uint64_t{412} << 20;
    Interner interner(snapshot);
    std::vector<Row> rows{{"/srv/shop/app/cache.py", 88, "Cache.put", 158'334'976, 402'111, "obj", true, {"handle", "serve", "main"}},
                          {"/srv/shop/app/model.py", 12, "load_weights", 67'108'864, 1, "malloc", true, {"main"}},
                          {"/srv/shop/app/views/product.py", 207, "ProductView.render", 21'200'000, 88'000, "obj", true, {"handle", "serve", "main"}},
                          {"/usr/lib/python3.11/json/decoder.py", 353, "JSONDecoder.raw_decode", 9'100'000, 61'000, "mem", true, {"load", "main"}},
                          {"/usr/lib/x86_64-linux-gnu/libssl.so.3", 0, "CRYPTO_zalloc+0x15", 900'000, 3000, "malloc", false},
                          {"/srv/shop/漢字/データ.py", 7, "読む", 120'000, 40, "obj"},
                          {"<frozen importlib._bootstrap>", 241, "_call_with_frames_removed", 64'000, 512, "raw"}};
    if (extra) rows.push_back({extra, 1, extra, 50'000, 1, "obj", true, {extra}});
    for (const Row& row : rows) {
        Site site;
        site.domain = interner.string(row.domain);
        site.frames = {interner.frame({row.file, row.line, row.function, row.python})};
        std::uint32_t line = 10;
        for (const char* caller : row.callers) site.frames.push_back(interner.frame({"/srv/shop/app/server.py", line += 11, caller, true}));
        site.total_frames = static_cast<std::uint32_t>(site.frames.size());
        const std::uint64_t bytes = row.blocks > 1 ? row.bytes * factor : row.bytes;
        site.counters = {.allocated_blocks = row.blocks + 10, .allocated_bytes = bytes + 1000, .freed_blocks = 10, .freed_bytes = 1000};
        process.traced_bytes += bytes;
        snapshot.sites.push_back(std::move(site));
    }
    process.traced_peak_bytes = process.traced_bytes + (4 << 20);
    snapshot.processes = {process};
    snapshot.losses = {{"live table full", 0, true}, {"untracked frees", 1204, false}, {"truncated", 0, false}};
    return snapshot;
}

void save(const Snapshot& snapshot, const std::string& path) {
    const Result<void> done = write_snapshot(snapshot, path);
    INFO((done ? std::string() : done.error().what));
    REQUIRE(done);
}

void require_golden(const std::string& screen, const std::string& name) {
    const std::filesystem::path path = std::filesystem::path("tests/e2e/screens") / (name + ".txt");
    const char* mode = std::getenv("MEMTRACE_GOLDEN");
    if (mode && std::string(mode) == "write") write_text(path, screen);
    INFO("differs from " << path.string() << ":\n" << screen);
    CHECK(screen == read_text(path));
}

}  // namespace

RULE("saved snapshots look as they did, at three sizes and without colours") {
    const TemporaryFolder folder;
    save(sample(), folder.file("a.pb.gz"));
    struct Case {
        unsigned columns, rows;
        const char* name;
        Tmux::Environment environment;
    };
    const std::vector<Case> cases{{80, 24, "80x24", {}},
                                  {120, 40, "120x40", {}},
                                  {250, 60, "250x60", {}},
                                  {80, 24, "monochrome", {{"NO_COLOR", "1"}}},
                                  {80, 24, "ascii", {{"LC_ALL", "C"}}}};
    for (const Case& each : cases) {
        Tmux terminal(each.columns, each.rows, each.environment);
        terminal.run("clear; cd " + folder.path().string() + "; " + tracer_path() + " top a.pb.gz");
        terminal.wait_for("cache.py");
        require_golden(terminal.screen(), each.name);
        const std::string styled = terminal.screen(true);
        const bool reversed = has(styled, "\033[7m") || has(styled, ";7m");
        CHECK(reversed == (std::string(each.name) == "monochrome"));
        CHECK((has(styled, "[31m") || has(styled, ";31m")) == (std::string(each.name) != "monochrome"));
        terminal.keys({"Enter"});
        terminal.wait_for("server.py:21");
        require_golden(terminal.screen(), std::string(each.name) + "-callers");
        terminal.keys({"q"});
        terminal.wait_for("prompt>");
    }
}

RULE("several snapshots are shown one after another, and stepped through by keys") {
    const TemporaryFolder folder;
    save(sample(1), folder.file("1.pb.gz"));
    save(sample(2), folder.file("2.pb.gz"));
    save(sample(3), folder.file("3.pb.gz"));
    Tmux terminal(120, 30);
    terminal.run("cd " + folder.path().string() + "; " + tracer_path() + " top --replay -i 0.3 1.pb.gz 2.pb.gz 3.pb.gz");
    terminal.wait_for("3/3 3.pb.gz");
    terminal.wait_for("453 MiB");
    terminal.keys({"Space"});
    terminal.keys({"Left"});
    const std::string second = terminal.wait_for("2/3 2.pb.gz");
    CHECK(has(second, "+151 MiB"));
    CHECK(has(second, "FROZEN"));
    terminal.keys({"Right"});
    terminal.wait_for("3/3 3.pb.gz");
    terminal.keys({"m"});
    terminal.wait_for("a saved snapshot can only be looked at");
    terminal.keys({"q"});
    terminal.wait_for("prompt>");
}

RULE("saved snapshots that are not shown on a terminal are plain text, and what is wrong is told") {
    const TemporaryFolder folder;
    save(sample(1), folder.file("1.pb.gz"));
    save(sample(2), folder.file("2.pb.gz"));
    Child top = run(tracer_command({"top", folder.file("1.pb.gz")}));
    REQUIRE(top.wait() == Ending{false, 0});
    CHECK(has(top.output(), "cache.py:88  Cache.put  obj"));
    CHECK_FALSE(has(top.output(), "\033"));
    Child replay = run(tracer_command({"top", "--replay", folder.file("1.pb.gz"), folder.file("2.pb.gz")}));
    REQUIRE(replay.wait() == Ending{false, 0});
    CHECK(has(replay.output(), "+151 MiB"));
    Child several = run(tracer_command({"top", folder.file("1.pb.gz"), folder.file("2.pb.gz")}));
    CHECK(several.wait() == Ending{false, 2});
    Child missing = run(tracer_command({"top", folder.file("none.pb.gz")}));
    CHECK(missing.wait() == Ending{false, 1});
    CHECK(has(missing.errors(), "none.pb.gz"));
}

RULE("escape sequences in names do not reach the terminal") {
    const TemporaryFolder folder;
    save(sample(1,
                "/srv/\033]0;owned\a\033[31mred\xc2\x9b"
                "2J.py"),
         folder.file("evil.pb.gz"));
    Pty terminal({tracer_path(), "top", folder.file("evil.pb.gz")}, 200, 40);
    terminal.wait_for("owned");
    for (const std::string key : {"t", "F", "\r"}) {
        terminal.type(key);
        terminal.read_for(0.2);
    }
    terminal.type("q");
    CHECK(terminal.wait() == 0);
    CHECK_FALSE(has(terminal.bytes(), "\033]0;"));
    CHECK_FALSE(has(terminal.bytes(), "\033[31mred"));
    CHECK_FALSE(has(terminal.bytes(), "\xc2\x9b"));
    CHECK(has(terminal.bytes(), "\\x1b]0;owned\\x07"));
}
