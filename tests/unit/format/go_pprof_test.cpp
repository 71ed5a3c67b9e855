// Snapshot files as Go's pprof sees them.
#include <glob.h>

#include <cstdlib>
#include <map>
#include <sstream>

#include "format/pprof.hpp"
#include "samples.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

/// The command that runs pprof. Debian ships it built; `go tool` builds it where Go is newer.
std::string pprof() {
    glob_t found{};
    const bool built = ::glob("/usr/lib/go-*/pkg/tool/*/pprof", 0, nullptr, &found) == 0 && found.gl_pathc > 0;
    const std::string path = built ? found.gl_pathv[0] : "";
    ::globfree(&found);
    if (built) return path;
    if (std::system("go tool -n pprof >/dev/null 2>&1") == 0) return "go tool pprof";
    skip("no pprof here (Debian: golang-go)");
}

/// The column "flat" of `pprof -top`, by name. -unit=B keeps the numbers whole.
std::map<std::string, std::string> flat_by_name(const std::string& report) {
    std::map<std::string, std::string> flat;
    std::istringstream lines(report.substr(report.find("cum%") + 4));
    for (std::string own, own_share, sum, all, all_share, name; lines >> own >> own_share >> sum >> all >> all_share;) {
        std::getline(lines >> std::ws, name);
        flat[name] = own;
    }
    return flat;
}

std::string run(const std::string& arguments) {
    // No tool of its own (graphs, symbols) and no configuration of the user's may join in.
    const auto output = output_of("HOME=/nonexistent PPROF_TOOLS=/nonexistent " + pprof() + " " + arguments);
    REQUIRE(output);
    return *output;
}

SnapshotBuilder& shop(SnapshotBuilder& builder) {
    return builder.python("/srv/cache.py", 88, 64'000, 1000)
        .native("libfoo.so.1", 0, "make+0x1f", 4096, 2)
        .native("libbar.so.2", 0, "make+0x1f", 512, 1);
}

}  // namespace

RULE("pprof -top shows our live bytes and blocks by function, with nothing to complain of") {
    const ScratchFolder folder;
    SnapshotBuilder builder;
    REQUIRE(write_snapshot(shop(builder).get(), folder / "a.mt"));

    const std::string report = run("-top -unit=B " + (folder / "a.mt").string());

    INFO(report);
    CHECK(report.find("File: python3") != std::string::npos);
    CHECK(report.find("Type: inuse_space") != std::string::npos);
    CHECK(report.find("not available") == std::string::npos);
    CHECK(flat_by_name(report) ==
          std::map<std::string, std::string>{{"f", "64000B"}, {"libfoo.so.1(make+0x1f)", "4096B"}, {"libbar.so.2(make+0x1f)", "512B"}});
    const std::string blocks = run("-top -sample_index=inuse_objects " + (folder / "a.mt").string());
    CHECK(flat_by_name(blocks)["f"] == "1000");
}

RULE("pprof -top tells allocated from live") {
    const ScratchFolder folder;
    Snapshot snapshot = rich_snapshot();
    snapshot.sites = {snapshot.sites.front()};
    REQUIRE(write_snapshot(snapshot, folder / "a.mt"));
    std::map<std::string, std::string> of;
    for (const char* index : {"alloc_objects", "alloc_space", "inuse_objects", "inuse_space"})
        of[index] = flat_by_name(run("-top -sample_index=" + std::string(index) + " " + (folder / "a.mt").string()))["Cache.put"];
    CHECK(of == std::map<std::string, std::string>{
                    {"alloc_objects", "1000"}, {"alloc_space", "62.50kB"}, {"inuse_objects", "600"}, {"inuse_space", "37.50kB"}});
}

RULE("pprof keeps Python's bracketed names, lines, and all that makes our snapshot rich") {
    const ScratchFolder folder;
    Snapshot snapshot = rich_snapshot();
    REQUIRE(write_snapshot(snapshot, folder / "a.mt"));
    const std::string lines = run("-top -lines -cum -nodefraction=0 -sample_index=alloc_objects " + (folder / "a.mt").string());
    INFO(lines);
    CHECK(lines.find("<module> /srv/\xe6\x97\xa5\xe6\x9c\xac/\xf0\x9f\x90\x8d.py:3") != std::string::npos);
    CHECK(lines.find("Cache.put /srv/shop/cache.py:88") != std::string::npos);
    CHECK(lines.find("<unknown>") != std::string::npos);
    const std::string comments = run("-comments " + (folder / "a.mt").string());
    CHECK(comments.find("Blocks older than the trace are not seen.") != std::string::npos);
    const std::string tags = run("-tags " + (folder / "a.mt").string());
    INFO(tags);
    CHECK(tags.find("comm:") != std::string::npos);
    CHECK(tags.find("domain:") != std::string::npos);
    CHECK(tags.find("pid:") != std::string::npos);
    CHECK(tags.find(" thread:") != std::string::npos);
    CHECK(tags.find("worker") != std::string::npos);
    const std::string of_thread = run("-top -unit=B -nodefraction=0 -tagfocus=thread=4243 " + (folder / "a.mt").string());
    INFO(of_thread);
    CHECK(flat_by_name(of_thread)["Cache.put"] == "38400B");
    CHECK(of_thread.find("<module>") != std::string::npos);
    CHECK(of_thread.find("libfoo") == std::string::npos);
}

RULE("pprof -diff_base subtracts one snapshot from another") {
    const ScratchFolder folder;
    SnapshotBuilder before, after;
    REQUIRE(write_snapshot(shop(before).python("gone.py", 1, 300).get(), folder / "before.mt"));
    // Other numbers for the same names: the comparison must go by names.
    after.python("zzz.py", 5, 1).python("/srv/cache.py", 88, 65'000, 1001).native("libfoo.so.1", 0, "make+0x1f", 96, 1);
    REQUIRE(write_snapshot(after.get(), folder / "after.mt"));

    const std::string report = run("-top -lines -unit=B -nodefraction=0 -diff_base=" + (folder / "before.mt").string() + " " +
                                   (folder / "after.mt").string());

    INFO(report);
    CHECK(flat_by_name(report) == std::map<std::string, std::string>{{"f /srv/cache.py:88", "1000B"},
                                                                     {"f gone.py:1", "-300B"},
                                                                     {"f zzz.py:5", "1B"},
                                                                     {"libfoo.so.1(make+0x1f) libfoo.so.1", "-4000B"},
                                                                     {"libbar.so.2(make+0x1f) libbar.so.2", "-512B"}});
}
