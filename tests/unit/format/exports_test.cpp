// Flame graphs, JSON and CSV: what they say, and that other programs' readers read it.
#include <fmt/format.h>

#include "format/flame_graph.hpp"
#include "format/live_sites.hpp"
#include "format/tables.hpp"
#include "samples.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

/// What a Python program says of the file.
std::string python_says(std::string_view content, std::string_view program) {
    const ScratchFolder folder;
    write_file(folder / "content", content);
    write_file(folder / "program.py", program);
    const auto output = output_of(fmt::format("/usr/bin/python3 -I {} {}", (folder / "program.py").string(), (folder / "content").string()));
    REQUIRE(output);
    return *output;
}

Snapshot mixed() {
    Snapshot snapshot;
    Interner interner(snapshot);
    snapshot.processes = {{7, "web;1"}, {8, "job"}};
    const FrameId outer = interner.frame({"/srv/a.py", 3, "<module>", true}), inner = interner.frame({"/srv/b.py", 5, "f;g", true, 5, 9, 12});
    const FrameId native = interner.frame({"libfoo.so.1", 0, "make+0x1f", false}), unknown = interner.frame({"<unknown>", 0, "", false});
    const StringId obj = interner.string("obj"), malloc = interner.string("malloc");
    snapshot.sites = {{0, obj, {inner, outer}, 2, {3, 300, 1, 100}},
                      {0, malloc, {inner, outer, native}, 3, {1, 50, 0, 0}},
                      {1, malloc, {native}, 1, {1, 8, 0, 0}},
                      {1, malloc, {unknown}, 1, {2, 4, 2, 4}}};
    return snapshot;
}

/// speedscope's file-format-schema.json (version 1.25), said in Python.
constexpr const char* kCheckSpeedscope = R"(
import json, sys
file = json.load(open(sys.argv[1], encoding='utf-8'))
def need(holds, what):
    if not holds: sys.exit(what)
need(file['$schema'] == 'https://www.speedscope.app/file-format-schema.json', 'schema')
need(set(file) <= {'$schema', 'profiles', 'shared', 'name', 'activeProfileIndex', 'exporter'}, 'members')
need(type(file['name']) is str and type(file['exporter']) is str and type(file['activeProfileIndex']) is int, 'types')
frames = file['shared']['frames']
for frame in frames:
    need(set(frame) <= {'name', 'file', 'line', 'col'} and type(frame['name']) is str and type(frame.get('file', '')) is str, 'frame')
    need(type(frame.get('line', 0)) is int and type(frame.get('col', 0)) is int, 'frame')
for profile in file['profiles']:
    need(set(profile) == {'type', 'name', 'unit', 'startValue', 'endValue', 'samples', 'weights'}, 'profile')
    need(profile['type'] == 'sampled' and type(profile['name']) is str, 'profile')
    need(profile['unit'] in ('none', 'nanoseconds', 'microseconds', 'milliseconds', 'seconds', 'bytes'), 'unit')
    need(len(profile['samples']) == len(profile['weights']), 'lengths')
    need(all(0 <= index < len(frames) for stack in profile['samples'] for index in stack), 'indexes')
    need(profile['endValue'] - profile['startValue'] == sum(profile['weights']), 'sum')
    for stack, weight in zip(profile['samples'], profile['weights']):
        print(profile['unit'], weight, ';'.join('%s@%s:%s' % (f['name'], f.get('file'), f.get('line', 0)) for f in map(frames.__getitem__, stack)))
)";

/// Counts again what the JSON says, and speaks of all of its members.
constexpr const char* kReadJson = R"(
import json, sys
s = json.load(open(sys.argv[1], encoding='utf-8'))
print(*(s[k] for k in ('format', 'version', 'tool_version', 'kernel', 'time_ns', 'traced_for_ns', 'events', 'tracing_cost', 'frame_limit', 'has_blocks', 'threads_apart', 'has_temporaries')))
print(s['name'], s['user_data'], s['marks'], s['marks_dropped'], s['notes'])
for p in s['processes']: print(list(p.values()))
for p in s['probes'] + s['losses']: print(list(p.values()))
for x in s['sites']:
    frames = [s['frames'][i] for i in x.pop('frames')]
    print(x.pop('process'), list(x.values()))
    for f in frames: print('  ', list(f.values()))
)";

}  // namespace

RULE("folded stacks run from the outermost frame, under their process where there are several") {
    CHECK(encode_folded(mixed(), Lines::python) ==
          "job (process 8);make+0x1f (libfoo.so.1) 8\n"
          "web,1 (process 7);<module> (/srv/a.py:3);f,g (/srv/b.py:5) 250\n");
    CHECK(encode_folded(mixed(), Lines::native) ==
          "job (process 8);make+0x1f (libfoo.so.1) 8\n"
          "web,1 (process 7);<module> (/srv/a.py:3);f,g (/srv/b.py:5) 200\n"
          "web,1 (process 7);<module> (/srv/a.py:3);f,g (/srv/b.py:5);make+0x1f (libfoo.so.1) 50\n");
}

RULE("threads that are kept apart are apart in flame graphs, below their process") {
    Snapshot snapshot = mixed();
    snapshot.threads_apart = true;
    snapshot.sites.resize(2);
    snapshot.sites[1].thread = 9;
    CHECK(encode_folded(snapshot, Lines::python) ==
          " (thread 0);<module> (/srv/a.py:3);f,g (/srv/b.py:5) 200\n"
          " (thread 9);<module> (/srv/a.py:3);f,g (/srv/b.py:5) 50\n");
}

RULE("the speedscope file obeys speedscope's schema and says the same as the folded one") {
    CHECK(python_says(encode_speedscope(mixed(), Lines::python), kCheckSpeedscope) ==
          "bytes 250 web;1 (process 7)@None:0;<module>@/srv/a.py:3;f;g@/srv/b.py:5\n"
          "bytes 8 job (process 8)@None:0;make+0x1f@libfoo.so.1:0\n"
          "none 3 web;1 (process 7)@None:0;<module>@/srv/a.py:3;f;g@/srv/b.py:5\n"
          "none 1 job (process 8)@None:0;make+0x1f@libfoo.so.1:0\n");
    std::mt19937_64 random(11);
    for (int i = 0; i < 10; ++i) python_says(encode_speedscope(random_snapshot(random), Lines::native), kCheckSpeedscope);
    python_says(encode_speedscope(rich_snapshot(), Lines::python), kCheckSpeedscope);
    python_says(encode_speedscope(Snapshot(), Lines::python), kCheckSpeedscope);
}

RULE("JSON holds all that a snapshot holds") {
    CHECK(
        python_says(encode_json(rich_snapshot()), kReadJson) ==
        "memtrace-bpf snapshot 1 0.1.0 6.18.44 1700000000123456789 95250000000 20140000 0.09 25 True True True\n"
        "after \\xff-2 [{'title': 'cache', 'format': 'size', 'value': -9223372036854775808}, {'title': '', 'format': '', 'value': -1}, "
        "{'title': 'users', 'format': 'number', 'value': 12}] [{'name': 'Before f()', 'time_ns': 1699999910123456789, 'pid': 4242, "
        "'traced_bytes': 1000000, 'user_data': []}, {'name': '\\\\xff', 'time_ns': -9223372036854775808, 'pid': -1, "
        "'traced_bytes': 18446744073709551615, 'user_data': [{'title': 'cache', 'format': 'size', 'value': 7}]}] 3 "
        "['Blocks older than the trace are not seen.', '', '\xe2\x82\xac']\n"
        "[4242, 'python3', 987654321, 432000000, 900000000, 301000000, 305000000, False, [{'domain': 'obj', 'bytes': 300000000, "
        "'peak_bytes': 304000000}, {'domain': 'malloc', 'bytes': 1000000, 'peak_bytes': 2000000}]]\n"
        "[-1, 'caf\xc3\xa9\\\\xff', 1, 0, 18446744073709551615, 0, 0, True, []]\n"
        "['malloc', '/lib/libc.so.6', 626208, 'malloc+0', 'push rbp', 'emulated', 812.5, 123456]\n"
        "['obj.free', '/usr/bin/python3.11', 1, '', '', 'single-stepped', 0, 0]\n"
        "['live table full', 0, True]\n"
        "['untracked frees', 1204, False]\n"
        "0 ['obj', 2, 600, 38400, 1000, 64000, 400, 25600, 399, 4243, 'worker \xf0\x9f\x90\x8d', [[0, 0, 1], [64, 3, 590], "
        "[64, 34084860461056, 8], [704, 2, 1]]]\n"
        "   ['/srv/shop/cache.py', 88, 'Cache.put', True, 90, 17, 4]\n"
        "   ['/srv/\xe6\x97\xa5\xe6\x9c\xac/\xf0\x9f\x90\x8d.py', 3, '<module>', True, 0, 0, 0]\n"
        "0 ['malloc', 300, 7, 0, 7, 0, 0, 0, 0, 2147483647, '', []]\n"
        "   ['libfoo.so.1', 0, 'make_table+0x1f', False, 0, 0, 0]\n"
        "   ['/tmp/\\\\xff\\\\xfe.c', 4294967295, 'a\\tb', False, 0, 0, 0]\n"
        "   ['libfoo.so.1', 0, 'make_table+0x1f', False, 0, 0, 0]\n"
        "1 ['malloc', 1, 18446744073709551614, 18446744073709551613, 18446744073709551615, 18446744073709551615, 1, 2, 18446744073709551615, 0, '', "
        "[[0, 0, 0], [18446744073709551615, 34084860461056, 18446744073709551615]]]\n"
        "   ['<unknown>', 0, '', False, 0, 0, 0]\n"
        "0 ['obj', 1, 0, 0, 1, 16, 2, 32, 0, 0, '', []]\n"
        "   ['/srv/\xe6\x97\xa5\xe6\x9c\xac/\xf0\x9f\x90\x8d.py', 3, '<module>', True, 0, 0, 0]\n");
    python_says(encode_json(Snapshot()), kReadJson);
}

RULE("CSV has a row a site, whatever stands in names") {
    constexpr const char* kReadCsv =
        "import csv, sys\nfor r in csv.DictReader(open(sys.argv[1], encoding='utf-8', newline='')):\n  print(*(repr(v) for v in r.values()))";
    CHECK(python_says(encode_csv(mixed(), Lines::python), kReadCsv) ==
          "'7' 'web;1' '0' '' 'obj' '200' '2' '300' '3' '100' '1' '/srv/b.py' '5' 'f;g' '1' '2' 'f;g (/srv/b.py:5)\\n<module> (/srv/a.py:3)' ''\n"
          "'7' 'web;1' '0' '' 'malloc' '50' '1' '50' '1' '0' '0' '/srv/b.py' '5' 'f;g' '1' '3' 'f;g (/srv/b.py:5)\\n<module> (/srv/a.py:3)' ''\n"
          "'8' 'job' '0' '' 'malloc' '8' '1' '8' '1' '0' '0' 'libfoo.so.1' '0' 'make+0x1f' '0' '1' 'make+0x1f (libfoo.so.1)' ''\n"
          "'8' 'job' '0' '' 'malloc' '0' '0' '4' '2' '4' '2' '<unknown>' '0' '' '0' '1' '<unknown>' ''\n");
    SnapshotBuilder builder;
    builder.python("a \"b\", c\nd\xff.py", 1, 2);
    CHECK(python_says(encode_csv(builder.get(), Lines::python), kReadCsv) ==
          "'4242' 'python3' '0' '' 'obj' '2' '1' '2' '1' '0' '0' 'a \"b\", c\\\\x0ad\\\\xff.py' '1' 'f' '1' '1' "
          "'f (a \"b\", c\\\\x0ad\\\\xff.py:1)' ''\n");
}

RULE("what a view leaves out is not exported: sites by filters, blocks by bounds") {
    Snapshot snapshot = mixed();
    snapshot.has_blocks = true;
    snapshot.sites[0].blocks = {{60, age_step(std::chrono::seconds(100)), 1}, {140, age_step(std::chrono::seconds(1)), 1}};
    View view;
    view.filters.domains = {{true, "obj"}};
    CHECK(only_shown(snapshot, view).sites == std::vector<Site>{snapshot.sites[0]});
    view.blocks.older = std::chrono::seconds(50);
    const Snapshot old = only_shown(snapshot, view);
    REQUIRE(old.sites.size() == 1);
    CHECK(old.sites[0].counters == Counters{1, 60, 0, 0});
}
