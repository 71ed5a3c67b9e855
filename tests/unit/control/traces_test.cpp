// What Python's client is told of a snapshot.
#include "control/traces.hpp"

#include "control/json.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::control;

RULE("live blocks are told by size, with the frames that a tracemalloc file has") {
    Snapshot snapshot;
    snapshot.frame_limit = 4;
    snapshot.has_blocks = true;
    snapshot.processes.push_back({.pid = 1});
    Interner names(snapshot);
    const FrameId unused = names.frame({"unused.py", 9, "u", true});
    const FrameId line = names.frame({"a\xff.pyc", 3, "f", true}), caller = names.frame({"b.py", 7, "g", true});
    Site site;
    site.domain = names.string("obj");
    site.frames = {line, caller};
    site.total_frames = 6;
    site.counters = {5, 500, 2, 180};
    site.blocks = {{100, AgeStep{1}, 1}, {100, AgeStep{2}, 1}, {120, AgeStep{1}, 1}};
    snapshot.sites.push_back(site);
    site.domain = names.string("mmap");
    site.frames = {caller};
    site.total_frames = 1;
    site.counters = {1, 4096, 0, 0};
    site.blocks = {{4096, AgeStep{0}, 1}};
    snapshot.sites.push_back(site);
    site.frames = {unused};
    site.counters = {1, 10, 1, 10};
    site.blocks = {};
    snapshot.sites.push_back(site);
    const Result<Json> json = parse_object(print_traces(snapshot));
    REQUIRE(json);
    REQUIRE(*json == Json::parse(R"({"traceback_limit": 4, "frames": [["a\ufffd.py", 3], ["b.py", 7]],
                                     "sites": [[0, [0, 1], 6, [[100, 2], [120, 1]]], [2, [1], 1, [[4096, 1]]]]})"));
}
