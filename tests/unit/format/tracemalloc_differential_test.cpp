// CPython's own tracemalloc, given the same blocks, must print the same text.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <random>

#include "format/text.hpp"
#include "samples.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

// Reads snapshots as written by describe() and prints the statistics of each and what changed since the one before, both filtered.
// Groups of blocks become single traces; names come hex-coded and go through CPython's own normalisation.
constexpr const char* kScript = R"(
import sys, tracemalloc

def snapshots(lines):
    traces = []
    for line in lines:
        words = line.split()
        if words[0] == 'end':
            filters = [tracemalloc.DomainFilter(word[0] == '+', int(word[1:])) for word in words[1:]]
            yield tracemalloc.Snapshot(traces, 3), filters
            traces = []
            continue
        frames = []
        for frame in words[2:]:
            name, number = frame.split(':')
            name = bytes.fromhex(name).decode()
            frames.append((tracemalloc._normalize_filename(name), int(number)))
        trace = (int(words[0]), int(words[1]), tuple(frames))
        if sys.version_info >= (3, 9):
            trace += (len(frames),)
        traces.append(trace)

out = sys.stdout.buffer
before = tracemalloc.Snapshot([], 3)
for after, filters in snapshots(open(sys.argv[1])):
    filtered = after.filter_traces(filters)
    for statistic in filtered.statistics('lineno'):
        out.write(str(statistic).encode() + b'\n')
    for diff in filtered.compare_to(before.filter_traces(filters), 'lineno'):
        out.write(str(diff).encode() + b'\n')
    out.write(b'--\n')
    before = after
)";

std::string hex(std::string_view text) {
    std::string digits;
    for (const char byte : text) digits += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return digits;
}

constexpr std::array<std::string_view, 5> kDomains{"malloc", "mmap", "raw", "mem", "obj"};

/// The number that stands for a domain, which has none with us.
std::size_t number_of(std::string_view domain) {
    return static_cast<std::size_t>(std::find(kDomains.begin(), kDomains.end(), domain) - kDomains.begin());
}

std::vector<DomainFilter> random_filters(std::mt19937_64& random) {
    std::vector<DomainFilter> filters;
    for (std::uint64_t count = random() % 4; count > 0; --count) {
        filters.push_back({random() % 2 == 0, std::string(kDomains[random() % kDomains.size()])});
    }
    return filters;
}

/// One line a live block; the bytes of a site are dealt out unevenly among its blocks. Then one of the filters.
std::string describe(const Snapshot& snapshot, const std::vector<DomainFilter>& filters) {
    std::string lines;
    for (const Site& site : snapshot.sites) {
        std::string frames;
        for (const FrameId id : site.frames) {
            frames += fmt::format(" {}:{}", hex(snapshot.text(snapshot.frame(id).file)), snapshot.frame(id).line);
        }
        std::uint64_t rest = site.counters.live_bytes();
        for (std::uint64_t blocks = site.counters.live_blocks(); blocks > 0; --blocks) {
            const std::uint64_t size = blocks == 1 ? rest : rest / 2;
            lines += fmt::format("{} {}{}\n", number_of(snapshot.text(site.domain)), size, frames);
            rest -= size;
        }
    }
    lines += "end";
    for (const DomainFilter& filter : filters) lines += fmt::format(" {}{}", filter.inclusive ? '+' : '-', number_of(filter.domain));
    return lines + "\n";
}

std::string ours(const Snapshot& before, const Snapshot& after, const View& view) {
    std::string text;
    for (const Statistic& statistic : statistics_by_line(after, view)) text += format_line(statistic) + '\n';
    for (const StatisticDiff& diff : compare_by_line(before, after, view)) text += format_line(diff) + '\n';
    return text + "--\n";
}

}  // namespace

RULE("statistics and differences, filtered by domain or not, are, letter for letter, those of CPython's tracemalloc") {
    if (::access("/usr/bin/python3", X_OK) != 0) skip("no /usr/bin/python3 to compare with");
    const unsigned seed = std::random_device()();
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    constexpr int kSnapshots = 500;
    std::string input, expected_of_us;
    Snapshot before;
    for (int i = 0; i < kSnapshots; ++i) {
        Snapshot after = random_snapshot(random);
        const View view{.filters = random_filters(random)};
        input += describe(after, view.filters);
        expected_of_us += ours(before, after, view);
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
