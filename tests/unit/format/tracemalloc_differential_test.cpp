// CPython's own tracemalloc, given the same blocks, must print the same text (tracemalloc_truth.py makes both).
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <random>
#include <sstream>

#include "format/pretty.hpp"
#include "format/text.hpp"
#include "model/name_pattern.hpp"
#include "samples.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

constexpr std::array<const char*, 5> kDomains{"malloc", "mmap", "raw", "mem", "obj"};

struct Truth {
    std::string data, expected;
};

/// Both files of the generator.
Truth truth_of(const std::string& what, unsigned seed, int count) {
    if (::access("/usr/bin/python3", X_OK) != 0) skip("no /usr/bin/python3 to compare with");
    const ScratchFolder folder;
    const auto printed = output_of(
        fmt::format("/usr/bin/python3 -I -W ignore tests/unit/format/tracemalloc_truth.py {} {} {} {}", what, seed, count, folder.path().string()));
    REQUIRE(printed);
    return {read_file(folder / "data"), read_file(folder / "expected")};
}

std::string unhex(std::string_view digits) {
    std::string text;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        unsigned byte = 0;
        std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
        text += static_cast<char>(byte);
    }
    return text;
}

/// A site as the generator wrote it: "DOMAIN SIZE,SIZE… HEXFILE:LINE…". Columns, functions and freed blocks are of no account.
void add_site(Snapshot& snapshot, Interner& interner, std::istringstream& words, std::mt19937_64& random) {
    std::size_t domain = 0;
    std::string sizes, frame;
    words >> domain >> sizes;
    Site site;
    site.process = static_cast<std::uint32_t>(random() % snapshot.processes.size());
    site.domain = interner.string(kDomains.at(domain));
    for (const char* at = sizes.data(); sizes != "-" && at < sizes.data() + sizes.size(); ++at) {
        BlockGroup blocks{.age = AgeStep(random() % 100), .count = 1};
        at = std::from_chars(at, sizes.data() + sizes.size(), blocks.size_bytes).ptr;
        site.blocks.push_back(blocks);
        const std::uint64_t freed = random() % 1000;
        const std::uint64_t freed_blocks = freed ? 1 : 0;
        site.counters += {1 + freed_blocks, blocks.size_bytes + freed, freed_blocks, freed};
    }
    const bool python = random() % 4 != 0;
    while (words >> frame) {
        const std::size_t colon = frame.find(':');
        const auto line = static_cast<std::uint32_t>(std::stoul(frame.substr(colon + 1)));
        const std::string name = unhex(frame.substr(0, colon));
        site.frames.push_back(
            interner.frame({name, line, line == 0 || random() % 2 == 0 ? "" : "f", python, line, static_cast<std::uint32_t>(random() % 3), 0}));
    }
    // What other code than Python's lies below does not count for tracemalloc.
    if (python && random() % 3 == 0) site.frames.push_back(interner.frame({"libc.so.6", 0, "malloc+0x1", false}));
    site.total_frames = static_cast<std::uint32_t>(site.frames.size());
    snapshot.sites.push_back(std::move(site));
}

void add_filter(View& view, const std::string& kind, std::istringstream& words) {
    std::string sign, pattern, line;
    bool all_frames = false;
    words >> sign >> pattern;
    if (kind == "D") {
        view.filters.domains.push_back({sign == "+", kDomains.at(std::stoul(pattern))});
        return;
    }
    words >> line >> all_frames;
    FileFilter filter{sign == "+", unhex(pattern), {}, all_frames};
    if (line != "-") filter.line = static_cast<std::uint32_t>(std::stoul(line));
    view.filters.files.push_back(std::move(filter));
}

void print_all(std::string& text, const Snapshot& before, const Snapshot& after, View view) {
    constexpr std::array<std::pair<GroupBy, bool>, 5> kinds{
        {{GroupBy::line, false}, {GroupBy::line, true}, {GroupBy::file, false}, {GroupBy::file, true}, {GroupBy::traceback, false}}};
    std::vector<Statistic> rows;
    for (const auto& [by, cumulative] : kinds) {
        view.by = by;
        view.cumulative = cumulative;
        rows = statistics(after, view);
        for (const Statistic& row : rows) text += format_line(row) + '\n';
        text += "--\n";
        for (const StatisticDiff& row : compare(before, after, view)) text += format_line(row) + '\n';
        text += "--\n";
    }
    SourceLines source;
    rows.resize(std::min<std::size_t>(rows.size(), 3));
    for (const Statistic& row : rows)
        for (const bool most_recent_first : {false, true})
            for (const std::string& line : format_traceback(row, source, most_recent_first)) text += line + '\n';
}

/// The pretty top escapes what terminals do not show; here it is as tracemalloc has it.
void print_pretty(std::string& text, const Snapshot& after, View view) {
    view.by = GroupBy::line;
    hide_as_documented(view.filters);
    SourceLines source;
    const std::vector<Statistic> rows = statistics(after, view);
    for (const std::string& line : format_pretty(rows, {.rows = 3, .filename_parts = 0}, source)) text += line + '\n';
}

std::string ours(const std::string& data, std::mt19937_64& random) {
    std::string text;
    Snapshot before, after;
    after.processes.resize(2);
    after.has_blocks = true;
    const Snapshot empty = after;
    std::optional<Interner> interner(after);
    View view;
    std::istringstream lines(data);
    for (std::string line, kind; std::getline(lines, line);) {
        std::istringstream words(line);
        words >> kind;
        if (kind == "T") add_site(after, *interner, words, random);
        if (kind == "D" || kind == "F") add_filter(view, kind, words);
        if (kind == "B") words >> view.blocks.min_size_bytes >> view.blocks.max_size_bytes;
        if (kind != ".") continue;
        print_all(text, before, after, view);
        print_pretty(text, after, view);
        interner.reset();
        before = std::exchange(after, empty);
        interner.emplace(after);
        view = {};
    }
    return text;
}

}  // namespace

RULE("statistics, differences and reports by every key, cumulative or not, filtered in any way, are, letter for letter, those of tracemalloc") {
    const unsigned seed = std::random_device()();
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    const Truth truth = truth_of("snapshots", seed, 2000);
    const std::string text = ours(truth.data, random);
    const std::string& theirs = truth.expected;

    const auto difference = std::mismatch(theirs.begin(), theirs.end(), text.begin(), text.end());
    const auto at = static_cast<std::size_t>(difference.first - theirs.begin());
    const std::size_t line_start = at == 0 ? 0 : theirs.rfind('\n', at - 1) + 1;
    INFO("CPython: " << theirs.substr(line_start, 200));
    INFO("ours:    " << text.substr(line_start, 200));
    CHECK(at == theirs.size());
    CHECK(theirs.size() == text.size());
    CHECK(theirs.size() > 1'000'000);
}

RULE("file names match patterns as they do for Python's fnmatch, whatever stands between the brackets") {
    const unsigned seed = std::random_device()();
    INFO("seed " << seed);
    const Truth truth = truth_of("patterns", seed, 20'000);
    std::istringstream words(truth.data);
    std::string pattern, name;
    std::size_t at = 0, matched = 0, unknown = 0;
    for (; words >> pattern >> name; ++at) {
        INFO("case " << at << ": pattern " << pattern << " name " << name);
        REQUIRE(at < truth.expected.size());
        const bool matches = NamePattern(unhex(pattern)).matches(unhex(name));
        matched += matches;
        unknown += truth.expected[at] == '?';
        if (truth.expected[at] != '?') REQUIRE(matches == (truth.expected[at] == '1'));
    }
    CHECK(at == 20'000);
    CHECK(matched > 1000);
    CHECK(unknown < 10'000);
}
