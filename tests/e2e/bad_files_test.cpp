// Snapshot files that are none, and command lines that make no sense: an error that names the culprit, exit status not 0. No root needed.
#include <string>
#include <vector>

#include "format/pprof.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/process.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

void require_refused(const Arguments& arguments, const std::string& mentioned, const SpawnOptions& options = {}) {
    Child child = run(tracer_command(arguments), options);
    const Ending ending = child.wait();
    INFO(child.transcript());
    REQUIRE(!ending.signaled);
    REQUIRE(ending.code != 0);
    REQUIRE(contains(child.errors(), mentioned));
    REQUIRE(child.output() == "");
}

Snapshot small_snapshot() {
    Snapshot snapshot;
    snapshot.tool_version = "test";
    snapshot.processes.emplace_back();
    Interner interner(snapshot);
    for (std::uint32_t line = 1; line <= 200; ++line) {
        Site site;
        site.domain = interner.string("malloc");
        site.frames.push_back(interner.frame({"file.c", line, "function", false}));
        site.counters = {line, line * 16, 0, 0};
        snapshot.processes[0].traced_bytes += line * 16;
        snapshot.sites.push_back(site);
    }
    snapshot.processes[0].traced_peak_bytes = snapshot.processes[0].traced_bytes;
    return snapshot;
}

std::string good_bytes() {
    const auto bytes = encode_snapshot(small_snapshot());
    if (!bytes) FAIL(bytes.error().what);
    return *bytes;
}

// Every command that reads a snapshot must refuse it, as its only file, as the older and as the newer one.
void require_bad(const std::string& bytes) {
    const TemporaryFolder folder;
    const std::string bad = folder.file("bad.pb.gz");
    const std::string good = folder.file("good.pb.gz");
    write_text(bad, bytes);
    write_text(good, good_bytes());
    for (const Arguments& arguments : {Arguments{"stats", bad}, Arguments{"diff", bad, good}, Arguments{"diff", good, bad}}) {
        require_refused(arguments, "memtrace-bpf: ");
        require_refused(arguments, "bad.pb.gz");
    }
}

}  // namespace

RULE("stats and diff of good files succeed: what the refusals below are measured against") {
    const TemporaryFolder folder;
    const std::string good = folder.file("good.pb.gz");
    write_text(good, good_bytes());
    Child stats = run(tracer_command({"stats", good}));
    REQUIRE(stats.wait() == Ending{false, 0});
    REQUIRE(contains(stats.output(), "file.c:200: size=3200 B, count=200, average=16 B\n"));
    Child diff = run(tracer_command({"diff", good, good}));
    REQUIRE(diff.wait() == Ending{false, 0});
    REQUIRE(contains(diff.output(), "file.c:200: size=3200 B (+0 B), count=200 (+0), average=16 B\n"));
}

RULE("an empty file is no snapshot") { require_bad(""); }

RULE("a snapshot cut short anywhere is refused") {
    const std::string bytes = good_bytes();
    const std::size_t size = bytes.size();
    for (const std::size_t length : {std::size_t{1}, std::size_t{9}, size / 4, size / 2, size - 9, size - 1}) {
        INFO("the first " << length << " of " << size << " bytes");
        require_bad(bytes.substr(0, length));
    }
}

RULE("a snapshot with a changed byte is refused") {
    const std::string bytes = good_bytes();
    // Behind gzip's header, whose time and system bytes mean nothing.
    for (const std::size_t at : {bytes.size() / 3, bytes.size() / 2, bytes.size() - 6}) {
        INFO("byte " << at);
        std::string changed = bytes;
        changed[at] = static_cast<char>(changed[at] ^ 0x55);
        require_bad(changed);
    }
}

RULE("files that are something else are refused") {
    require_bad("tracemalloc\n");
    require_bad(read_text("/bin/true"));
    require_bad(std::string(100000, '\0'));
}

RULE("a gzip file of something else is refused") {
    const TemporaryFolder folder;
    write_text(folder.file("text"), "just some text, no protobuf\n");
    Child gzip = run({"gzip", folder.file("text")});
    REQUIRE(gzip.wait() == Ending{false, 0});
    require_bad(read_text(folder.file("text.gz")));
}

RULE("files that cannot be read are named") {
    require_refused({"stats", "/no/such/file.pb.gz"}, "/no/such/file.pb.gz");
    require_refused({"stats", "/tmp"}, "/tmp");
    require_refused({"diff", "/no/such/file.pb.gz", "/no/such/other.pb.gz"}, "/no/such/");
}

RULE("stats with stdout closed is an error") {
    const TemporaryFolder folder;
    const std::string good = folder.file("good.pb.gz");
    write_text(good, good_bytes());
    require_refused({"stats", good}, "output", {{}, true, {}});
}

RULE("stats whose reader has gone ends with an error, not by a signal") {
    const TemporaryFolder folder;
    const std::string good = folder.file("good.pb.gz");
    write_text(good, good_bytes());
    // The shell waits for our line until the pipe has lost its reader.
    Child shell({"sh", "-c", "read -r line; exec \"$0\" stats \"$1\"", tracer_path(), good});
    shell.close_output();
    shell.send_line("go");
    const Ending ending = shell.wait();
    INFO(shell.transcript());
    REQUIRE(!ending.signaled);
    REQUIRE(ending.code != 0);
    REQUIRE(contains(shell.errors(), "output"));
}

RULE("command lines that make no sense are refused") {
    const std::vector<Arguments> nonsense = {
        {},
        {"-p"},
        {"-p", "x"},
        {"-p", "0"},
        {"-p", "-5"},
        {"-p", "99999999999"},
        {"--"},
        {"-p", "1", "--", "true"},
        {"stats"},
        {"diff", "one"},
        {"probes"},
        {"--no-such-option"},
        {"-p", "1", "--frames", "0"},
        {"-p", "1", "-i", "0"},
        {"-p", "1", "-n", "0"},
        {"-p", "1", "--live-blocks", "0"},
    };
    for (const auto& arguments : nonsense) {
        Child child = run(tracer_command(arguments));
        const Ending ending = child.wait();
        INFO(child.transcript());
        REQUIRE(!ending.signaled);
        REQUIRE(ending.code != 0);
        REQUIRE(!child.errors().empty());
        REQUIRE(child.output() == "");
    }
}
