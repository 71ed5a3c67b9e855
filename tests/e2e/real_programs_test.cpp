// Programs of others, launched under the tracer so that nothing is older: what we see live against what their allocator says itself.
#include <csignal>
#include <filesystem>
#include <string>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/ledger.hpp"
#include "support/process.hpp"
#include "support/server.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

std::uint64_t number_behind(const std::string& text, const std::string& name) {
    const std::size_t at = text.find(name);
    REQUIRE(at != std::string::npos);
    return std::stoull(text.substr(at + name.size()));
}

void require_nothing_lost(const Snapshot& snapshot) {
    REQUIRE(lost(snapshot) == "");
    REQUIRE(loss(snapshot, MT_UNTRACKED_FREES) == 0);
    REQUIRE(inconsistencies(snapshot) == "");
}

constexpr unsigned keys = 2000;

}  // namespace

// Redis counts usable sizes: jemalloc's classes, not what was asked for. Values of a class's exact size keep that below 1 %.
RULE("redis-server, which links jemalloc: live bytes are its used_memory") {
    require_root();
    const TemporaryFolder folder;
    const std::string path = installed("redis-server");
    Server redis(folder,
                 {path, "--port", "0", "--unixsocket", Server::socket_in(folder), "--save", "", "--appendonly", "no", "--dir", folder.path()});
    std::string commands;
    const std::string value(16384 - 6, 'v');  // sds: 5 bytes before, 1 behind
    for (unsigned i = 0; i < keys; ++i) commands += "SET key:" + std::to_string(i) + " " + value + "\r\n";
    (void)redis.ask(commands + "PING\r\n", "+PONG");
    const std::string info = redis.ask("INFO memory\r\n", "mem_fragmentation_bytes");
    const Snapshot snapshot = redis.snapshot();
    require_within_one_percent(domain_total(snapshot, "malloc").live_bytes(), number_behind(info, "used_memory:"));
    require_nothing_lost(snapshot);
}

// The C library's sums hold 8 bytes for each block and round to 16, or to pages: little beside memcached's slabs.
RULE("memcached: live bytes are what the C library says is in use") {
    require_root();
    const TemporaryFolder folder;
    const std::string path = installed("memcached");
    Server memcached(folder, Server::with_mallinfo(folder, {path, "-u", "root", "-s", Server::socket_in(folder), "-m", "64", "-t", "2"}));
    std::string commands;
    for (unsigned i = 0; i < keys; ++i) commands += "set key" + std::to_string(i) + " 0 0 8000 noreply\r\n" + std::string(8000, 'v') + "\r\n";
    (void)memcached.ask(commands + "version\r\n", "VERSION");
    const std::uint64_t truth = memcached.mallinfo();
    const Snapshot snapshot = memcached.snapshot();
    require_within_one_percent(domain_total(snapshot, "malloc").live_bytes(), truth);
    require_nothing_lost(snapshot);
}

RULE("nginx: live bytes are what the C library says is in use") {
    require_root();
    const TemporaryFolder folder;
    const std::string path = installed("nginx"), at = folder.path();
    std::string configuration = "daemon off; master_process off; pid " + at + "/pid; error_log " + at +
                                "/errors; events { worker_connections 32768; } http { access_log off; server { listen unix:" +
                                Server::socket_in(folder) + "; location / { return 200 \"served\"; } }";
    for (const char* temporary : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
        configuration += std::string(temporary) + "_temp_path " + at + "/" + temporary + "; ";
    write_text(folder.file("nginx.conf"), configuration + "}");
    Server nginx(folder, Server::with_mallinfo(folder, {path, "-c", folder.file("nginx.conf"), "-e", folder.file("errors")}));
    for (int i = 0; i < 20; ++i) (void)nginx.ask("GET / HTTP/1.0\r\n\r\n", "served");
    const std::uint64_t truth = nginx.mallinfo();
    const Snapshot snapshot = nginx.snapshot();
    require_within_one_percent(domain_total(snapshot, "malloc").live_bytes(), truth);
    require_nothing_lost(snapshot);
}

// sqlite3 counts usable sizes, 8 bytes more than was asked for at most times; its shell holds some KiB beside.
RULE("sqlite3 with a database in memory: live bytes are its own Memory Used") {
    require_root();
    const TemporaryFolder folder;
    Child tracer(tracer_command({"--socket", folder.file("tracer.sock"), "--", installed("sqlite3"), "-batch", ":memory:"}));
    tracer.send_line("CREATE TABLE t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 8000)");
    tracer.send_line("INSERT INTO t SELECT randomblob(2000) FROM n;");
    tracer.send_line(".stats on");
    tracer.send_line("SELECT 'rows', count(*) FROM t;");
    const std::uint64_t truth = std::stoull(tracer.wait_line("Memory Used:").substr(12));
    tracer.wait_line("Virtual Machine Steps");
    const std::string file = folder.file("now.pb.gz");
    Child asking = run(tracer_command({"snapshot", "--socket", folder.file("tracer.sock"), "-o", file}));
    REQUIRE(asking.wait() == Ending{false, 0});
    const Snapshot snapshot = load_snapshot(file);
    require_within_one_percent(domain_total(snapshot, "malloc").live_bytes(), truth);
    require_nothing_lost(snapshot);
    tracer.send_line(".quit");
    REQUIRE(tracer.wait() == Ending{false, 0});
}

RULE("a Rust program: what its collections hold is what the ledger says") {
    require_root();
    if (!std::filesystem::exists(workload_path("ledger_rust"))) skip("not built, there is no rustc");
    Child program({workload_path("ledger_rust")});
    program.wait_error_line("ready");
    Tracer tracer = Tracer::attach(program);
    program.send_line("go");
    const std::string total = program.wait_error_line("TOTAL");
    program.wait_error_line("done");
    const Snapshot snapshot = tracer.stop();
    const Counters seen = domain_total(snapshot, "malloc");
    REQUIRE(total == "TOTAL " + std::to_string(seen.live_blocks()) + " " + std::to_string(seen.live_bytes()));
    require_nothing_lost(snapshot);
}

RULE("gunicorn and Flask: what the workers that it forks hold is known by line") {
    require_root();
    const TemporaryFolder folder;
    for (const std::string module : {"flask", "gunicorn"})
        if (!std::filesystem::exists("/usr/lib/python3/dist-packages/" + module)) skip("not installed: python3-" + module);
    write_text(folder.file("shop.py"),
               "import flask\napp = flask.Flask(__name__)\nheld = [None] * 4000\nused = 0\n@app.route('/hold')\ndef hold():\n"
               "    global used\n    for i in range(used, used + 400):\n        held[i] = bytearray(10000)\n    used += 400\n    return 'held'\n");
    Server gunicorn(folder,
                    {"/usr/bin/python3", "-m", "gunicorn", "--workers", "2", "--chdir", folder.path(), "--bind", "unix:" + Server::socket_in(folder),
                     "--no-sendfile", "shop:app"},
                    {"--follow"});
    constexpr unsigned requests = 6;
    for (unsigned i = 0; i < requests; ++i) (void)gunicorn.ask("GET /hold HTTP/1.0\r\nHost: shop\r\n\r\n", "held");
    const Snapshot snapshot = gunicorn.snapshot();
    // A bytearray and its buffer of one byte more.
    const LineTotals line = lines_of_file(snapshot, "shop.py").at("shop.py:9");
    REQUIRE(line.live_blocks == 2 * 400 * requests);
    REQUIRE(line.live_bytes == (10001 + 56) * 400 * requests);
    REQUIRE(lost(snapshot) == "");
    gunicorn.end();
}
