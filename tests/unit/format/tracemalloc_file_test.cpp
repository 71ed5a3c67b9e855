// Files of tracemalloc in both directions, with every Python there is: what one writes the other must read as the same blocks.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <random>
#include <sstream>

#include "format/text.hpp"
#include "format/tracemalloc_file.hpp"
#include "samples.hpp"
#include "support/catch.hpp"
#include "support/python.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

// describe(): all that a snapshot says, in lines that do not depend on the order of its blocks.
constexpr const char* kDescribe = R"(
import os, pickle, sys, tracemalloc
out = sys.stdout.buffer
def describe(snapshot):
    lines = []
    for trace in snapshot.traces:
        frames = trace.traceback._frames
        total = getattr(trace.traceback, 'total_nframe', None)
        text = b'%d %d %d' % (trace.domain, trace.size, len(frames) if total is None else total)
        if sys.version_info >= (3, 7): frames = frames[::-1]
        for name, line in frames:
            text += b' ' + os.fsencode(name) + b':%d' % line
        lines.append(text)
    lines.sort()
    lines += [os.fsencode(str(statistic)) for statistic in snapshot.statistics('lineno')]
    out.write(b'limit %d\n' % snapshot.traceback_limit + b''.join(line + b'\n' for line in lines) + b'--\n')
)";

constexpr const char* kLoad = R"(
while sys.stdin.buffer.peek(1):
    describe(pickle.load(sys.stdin.buffer))
)";

// Real blocks, in stacks cut short and whole; then ones made up. Each in every protocol, before its description.
constexpr const char* kDump = R"(
def deep(n):
    return bytearray(100 + n) if n == 0 else [deep(n - 1), bytearray(3)]
exec(compile('def odd(): return [bytes(70000 + i % 3) for i in range(50)]', '/tmp/\udcff\xe9\U0001f40d.pyc', 'exec'))
tracemalloc.start(int(sys.argv[1]))
keep = [deep(n % 7) for n in range(200)], odd(), [str(i) * 9 for i in range(3000)]
real = tracemalloc.take_snapshot()
tracemalloc.stop()
frames = (('x.py', 3), ('<unknown>', 0))
new = (2,) if sys.version_info >= (3, 9) else ()
made = tracemalloc.Snapshot([(389047, 0, frames) + new, (4294967295, 2 ** 63 - 1, (('y' * 300, 4294967295),)) + new,
                             (1, 70000, (('', 0),) * 5000) + new], 65535)
for snapshot in real, made, tracemalloc.Snapshot([], 1):
    for protocol in range(2, min(pickle.HIGHEST_PROTOCOL, 5) + 1):
        data = pickle.dumps(snapshot, protocol)
        out.write(b'file %d\n' % len(data) + data)
        describe(snapshot)
)";

std::string python_command(const Interpreter& python, const ScratchFolder& folder, std::string_view program) {
    write_file(folder / "program.py", std::string(kDescribe) + std::string(program));
    const std::string prefix = python.root.empty() ? "" : "chroot " + python.root + " ";
    return fmt::format("{}{} -I -B -c \"$(cat {})\"", prefix, python.path, (folder / "program.py").string());
}

/// What tells whether it can be asked, and its minor version.
unsigned minor_of(const Interpreter& python) {
    const std::string prefix = python.root.empty() ? "" : "chroot " + python.root + " ";
    const auto text = output_of(prefix + python.path + " -I -c 'import sys, tracemalloc; print(sys.version_info[1])'");
    return text ? static_cast<unsigned>(std::stoul(*text)) : 0;
}

/// Calls visit(interpreter, minor) for each, and says which they were.
template <typename Visit>
void each_python(Visit visit) {
    unsigned count = 0;
    for (const Interpreter& python : find_pythons()) {
        const unsigned minor = minor_of(python);
        if (minor < kOldestPython || minor > kNewestPython) continue;
        CAPTURE(python.name);
        visit(python, minor);
        ++count;
        std::cout << "  3." << minor << " " << python.name << "\n";
    }
    if (count == 0) skip("no CPython 3.6 to 3.15 was found");
}

std::uint64_t domain_number(std::string_view name) {
    if (name == "malloc") return 1;
    if (name == "mmap") return 2;
    return name.starts_with("domain ") ? std::stoull(std::string(name.substr(7))) : 0;
}

/// describe() in our words, of the frames that tracemalloc is given.
std::string describe(const Snapshot& snapshot, unsigned minor, bool as_written) {
    std::vector<std::string> lines;
    for (const Site& site : snapshot.sites) {
        std::size_t shown = site.frames.size();
        if (as_written && snapshot.frame(site.frames[0]).python) {
            shown = static_cast<std::size_t>(
                std::find_if(site.frames.begin(), site.frames.end(), [&](FrameId id) { return !snapshot.frame(id).python; }) - site.frames.begin());
        }
        std::string frames;
        for (std::size_t i = 0; i < shown; ++i) {
            const Frame& frame = snapshot.frame(site.frames[i]);
            std::string file = snapshot.text(frame.file);
            if (as_written && file.ends_with(".pyc")) file.pop_back();
            frames += fmt::format(" {}:{}", file, frame.line);
        }
        const std::size_t depth = minor < 9 || shown < site.frames.size() ? shown : site.total_frames;
        for (const BlockGroup& group : site.blocks) {
            const std::string line = fmt::format("{} {} {}{}", domain_number(snapshot.text(site.domain)), group.size_bytes, depth, frames);
            lines.insert(lines.end(), group.count, line);
        }
    }
    std::sort(lines.begin(), lines.end());
    std::string text = fmt::format("limit {}\n", snapshot.frame_limit);
    for (const std::string& line : lines) text += line + '\n';
    return text;
}

std::string statistics_of(const Snapshot& snapshot) {
    std::string text;
    for (const Statistic& statistic : statistics(snapshot)) text += format_line(statistic) + '\n';
    return text + "--\n";
}

void require_equal(const std::string& theirs, const std::string& ours) {
    const auto [their_end, our_end] = std::mismatch(theirs.begin(), theirs.end(), ours.begin(), ours.end());
    const auto at = static_cast<std::size_t>(their_end - theirs.begin());
    const std::size_t line = at == 0 ? 0 : theirs.rfind('\n', at - 1) + 1;
    INFO("theirs: " << theirs.substr(line, 300));
    INFO("ours:   " << ours.substr(line, 300));
    REQUIRE((their_end == theirs.end() && our_end == ours.end()));
}

Snapshot decode(std::string_view bytes) {
    Result<Snapshot> snapshot = decode_tracemalloc(bytes);
    INFO((snapshot ? std::string() : snapshot.error().what));
    REQUIRE(snapshot);
    return *std::move(snapshot);
}

}  // namespace

RULE("what we export, every Python's tracemalloc loads: the same blocks, depths and statistics") {
    const unsigned seed = std::random_device()();
    CAPTURE(seed);
    each_python([&](const Interpreter& python, unsigned minor) {
        std::mt19937_64 random(seed);
        const ScratchFolder folder;
        std::string files, expected;
        for (int i = 0; i < 80; ++i) {
            Snapshot snapshot = random_snapshot(random);
            snapshot.has_blocks = true;
            for (Site& site : snapshot.sites) {
                site.counters = {};
                site.blocks = {{random() % 70000, AgeStep{1}, 1 + random() % 3}, {70000 + random(), AgeStep{0}, random() % 3}};
                site.blocks[1].size_bytes >>= 16;
                if (site.blocks[1].size_bytes <= site.blocks[0].size_bytes) site.blocks.pop_back();
                if (random() % 9 == 0) site.blocks[0].count = 1 + random() % 4000;
                for (const BlockGroup& group : site.blocks) site.counters += Counters{group.count, group.count * group.size_bytes, 0, 0};
                site.total_frames += static_cast<std::uint32_t>(random() % 2);
            }
            const Result<TracemallocFile> file = encode_tracemalloc(snapshot, Lines::python, minor);
            REQUIRE(file);
            CHECK(file->blocks_split_evenly == 0);
            files += file->bytes;
            expected += describe(snapshot, minor, true) + statistics_of(snapshot);
        }
        write_file(folder / "input", files);
        const auto theirs = output_of(python_command(python, folder, kLoad) + " <" + (folder / "input").string());
        REQUIRE(theirs);
        require_equal(*theirs, expected);
    });
}

RULE("what every Python's tracemalloc dumps, in every protocol, we import: the same blocks, depths and statistics") {
    each_python([&](const Interpreter& python, unsigned minor) {
        const ScratchFolder folder;
        for (const char* limit : {"1", "25"}) {
            const auto output = output_of(python_command(python, folder, kDump) + " " + limit);
            REQUIRE(output);
            std::string_view rest = *output;
            int files = 0;
            while (!rest.empty()) {
                REQUIRE(rest.starts_with("file "));
                const std::size_t line = rest.find('\n') + 1;
                const std::size_t size = std::stoull(std::string(rest.substr(5, line - 5)));
                const std::size_t end = rest.find("--\n", line + size) + 3;
                Snapshot snapshot = decode(rest.substr(line, size));
                std::string theirs(rest.substr(line + size, end - line - size));
                const bool odd = snapshot.frame_limit == 65535;  // one stack of 5000 frames, of which we keep 4096; sizes beyond all memory
                if (odd) {
                    CHECK(snapshot.sites.size() == 3);
                    CHECK(snapshot.text(snapshot.sites[0].domain) == "domain 389047");
                    CHECK(snapshot.sites[2].frames.size() == 4096);
                    CHECK(snapshot.sites[2].total_frames == 5000);
                } else {
                    // Python shows ".pyc" as it is, since it compiles none by that name; so do we while describing.
                    std::string ours = describe(snapshot, 9, false);
                    require_equal(theirs.substr(0, ours.size()), ours);
                    std::string statistics = statistics_of(snapshot);
                    for (std::size_t at = 0; (at = theirs.find(".pyc:", at)) != std::string::npos;) theirs.erase(at + 3, 1);
                    for (std::size_t at = 0; (at = ours.find(".pyc:", at)) != std::string::npos;) ours.erase(at + 3, 1);
                    require_equal(theirs, ours + statistics);
                }
                rest.remove_prefix(end);
                ++files;
            }
            CHECK(files >= (minor >= 8 ? 12 : 9));
        }
    });
}

RULE("what is imported and exported again is imported as the same") {
    std::mt19937_64 random(7);
    for (int i = 0; i < 50; ++i) {
        const Snapshot once = decode(encode_tracemalloc(random_snapshot(random), Lines::native, 12)->bytes);
        const Snapshot twice = decode(encode_tracemalloc(once, Lines::native, 12)->bytes);
        REQUIRE(twice == once);
    }
}

RULE("native code without lines is exported by its function, and names that are no UTF-8 survive") {
    SnapshotBuilder builder;
    builder.native("libfoo.so.1", 0, "make+0x1f", 10, 2).native("/src/a.c", 7, "f", 3).python("/tmp/\xff\xed\xb2\x80.py", 1, 1);
    const Snapshot read = decode(encode_tracemalloc(builder.get(), Lines::python, 9)->bytes);
    std::vector<std::string> places;
    for (const Frame& frame : read.frames) places.push_back(fmt::format("{}:{}", read.text(frame.file), frame.line));
    CHECK(places == std::vector<std::string>{"libfoo.so.1(make+0x1f):0", "/src/a.c:7", "/tmp/\xff\xed\xb2\x80.py:1"});
}

RULE("native lines put the native frames before Python's, Python's alone are shown otherwise") {
    Snapshot snapshot;
    Interner interner(snapshot);
    snapshot.processes.resize(1);
    const FrameId python = interner.frame({"a.py", 1, "f", true}), native = interner.frame({"a.c", 2, "g", false});
    snapshot.sites = {{0, interner.string("malloc"), {python, native}, 9, {1, 5, 0, 0}}};
    const auto files = [&](Lines lines) {
        const Snapshot read = decode(encode_tracemalloc(snapshot, lines, 15)->bytes);
        std::string text = std::to_string(read.sites[0].total_frames);
        for (const FrameId id : read.sites[0].frames) text += " " + read.text(read.frame(id).file);
        return text;
    };
    CHECK(files(Lines::python) == "1 a.py");
    CHECK(files(Lines::native) == "9 a.c a.py");
}

RULE("where sizes are not known, or do not add up, sum and count are exact, and it is told") {
    Snapshot snapshot;
    Interner interner(snapshot);
    snapshot.processes.resize(1);
    const FrameId frame = interner.frame({"a.py", 1, "f", true});
    snapshot.sites = {{0, interner.string("obj"), {frame}, 1, {12, 1007, 2, 0}}, {0, interner.string("malloc"), {frame}, 1, {3, 2, 0, 0}}};
    const auto blocks = [&] {
        const Result<TracemallocFile> file = encode_tracemalloc(snapshot, Lines::python, 15);
        std::string text = fmt::format("{} of {}:", file->blocks_split_evenly, file->blocks);
        for (const Site& site : decode(file->bytes).sites)
            for (const BlockGroup& group : site.blocks) text += fmt::format(" {}x{}", group.count, group.size_bytes);
        return text;
    };
    CHECK(blocks() == "13 of 13: 3x100 7x101 1x0 2x1");
    snapshot.has_blocks = true;
    snapshot.sites[0].blocks = {{1, AgeStep{0}, 9}, {998, AgeStep{0}, 1}};
    snapshot.sites[1].blocks = {{1, AgeStep{0}, 3}};
    CHECK(blocks() == "3 of 13: 9x1 1x998 1x0 2x1");
}

RULE("blocks that nobody could load are refused, not written without end") {
    SnapshotBuilder builder;
    builder.python("a.py", 1, 1, std::uint64_t{1} << 62);
    const Result<TracemallocFile> file = encode_tracemalloc(builder.get(), Lines::python, 15);
    REQUIRE_FALSE(file);
    CHECK(file.error().what == "more live blocks than the 134217728 a tracemalloc file may have here");
}

RULE("a million blocks in a million groups are exported and imported in a moment, in a few bytes each") {
    const Snapshot snapshot = large_snapshot_with_blocks(100'000, 8, 1'000'000);
    const auto start = std::chrono::steady_clock::now();
    const Result<TracemallocFile> file = encode_tracemalloc(snapshot, Lines::python, 15);
    REQUIRE(file);
    const auto written = std::chrono::steady_clock::now();
    const Snapshot read = decode(file->bytes);
    const auto end = std::chrono::steady_clock::now();
    const auto ms = [](auto time) { return std::chrono::duration_cast<std::chrono::milliseconds>(time).count(); };
    std::uint64_t bytes = 0;
    for (const Site& site : snapshot.sites) bytes += site.counters.live_bytes();
    CHECK(read.processes.front().traced_bytes == bytes);
    INFO(file->blocks << " blocks, " << file->bytes.size() << " bytes; written in " << ms(written - start) << " ms, read in " << ms(end - written));
    CHECK(file->blocks > 1'900'000);
    CHECK(file->bytes.size() < 20 * file->blocks);
    CHECK(ms(written - start) < 2000);
}
