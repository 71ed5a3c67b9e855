// CPython's own tracemalloc, given the same blocks, must print the same text.
#include <fmt/format.h>
#include <unistd.h>

#include <random>

#include "format/text.hpp"
#include "samples.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

// Reads snapshots as written by describe() and prints the statistics of each and what changed since the one before.
// Groups of blocks become single traces; names come hex-coded and go through CPython's own normalisation.
constexpr const char* kScript = R"(
import sys, tracemalloc

def snapshots(lines):
    traces = []
    for line in lines:
        words = line.split()
        if words[0] == 'end':
            yield tracemalloc.Snapshot(traces, 3)
            traces = []
            continue
        frames = []
        for frame in words[1:]:
            name, number = frame.split(':')
            name = bytes.fromhex(name).decode()
            frames.append((tracemalloc._normalize_filename(name), int(number)))
        trace = (0, int(words[0]), tuple(frames))
        if sys.version_info >= (3, 9):
            trace += (len(frames),)
        traces.append(trace)

out = sys.stdout.buffer
before = tracemalloc.Snapshot([], 3)
for after in snapshots(open(sys.argv[1])):
    for statistic in after.statistics('lineno'):
        out.write(str(statistic).encode() + b'\n')
    for diff in after.compare_to(before, 'lineno'):
        out.write(str(diff).encode() + b'\n')
    out.write(b'--\n')
    before = after
)";

std::string hex(std::string_view text) {
    std::string digits;
    for (const char byte : text) digits += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return digits;
}

/// One line a live block; the bytes of a site are dealt out unevenly among its blocks.
std::string describe(const Snapshot& snapshot) {
    std::string lines;
    for (const Site& site : snapshot.sites) {
        std::string frames;
        for (const FrameId id : site.frames) {
            frames += fmt::format(" {}:{}", hex(snapshot.text(snapshot.frame(id).file)), snapshot.frame(id).line);
        }
        std::uint64_t rest = site.counters.live_bytes();
        for (std::uint64_t blocks = site.counters.live_blocks(); blocks > 0; --blocks) {
            const std::uint64_t size = blocks == 1 ? rest : rest / 2;
            lines += fmt::format("{}{}\n", size, frames);
            rest -= size;
        }
    }
    return lines + "end\n";
}

std::string ours(const Snapshot& before, const Snapshot& after) {
    std::string text;
    for (const Statistic& statistic : statistics_by_line(after)) text += format_line(statistic) + '\n';
    for (const StatisticDiff& diff : compare_by_line(before, after)) text += format_line(diff) + '\n';
    return text + "--\n";
}

}  // namespace

RULE("statistics and differences are, letter for letter, those of CPython's tracemalloc") {
    if (::access("/usr/bin/python3", X_OK) != 0) skip("no /usr/bin/python3 to compare with");
    const unsigned seed = std::random_device()();
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    constexpr int kSnapshots = 500;
    std::string input, expected_of_us;
    Snapshot before;
    for (int i = 0; i < kSnapshots; ++i) {
        Snapshot after = random_snapshot(random);
        input += describe(after);
        expected_of_us += ours(before, after);
        before = std::move(after);
    }
    const ScratchFolder folder;
    write_file(folder / "script.py", kScript);
    write_file(folder / "snapshots", input);

    const auto theirs = output_of(fmt::format("/usr/bin/python3 -I {} {}", (folder / "script.py").string(), (folder / "snapshots").string()));

    REQUIRE(theirs);
    const auto difference = std::mismatch(theirs->begin(), theirs->end(), expected_of_us.begin(), expected_of_us.end());
    const auto at = static_cast<std::size_t>(difference.first - theirs->begin());
    const std::size_t line_start = at == 0 ? 0 : theirs->rfind('\n', at - 1) + 1;
    INFO("CPython: " << theirs->substr(line_start, 200));
    INFO("ours:    " << expected_of_us.substr(line_start, 200));
    CHECK(at == theirs->size());
    CHECK(theirs->size() == expected_of_us.size());
}
