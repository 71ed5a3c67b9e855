#include "format/pprof.hpp"

#include <chrono>
#include <limits>
#include <protozero/pbf_message.hpp>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "format/gzip.hpp"
#include "format/snapshot_wire.hpp"
#include "format/text.hpp"
#include "samples.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

Snapshot round_trip(const Snapshot& snapshot) {
    const Result<std::string> bytes = encode_snapshot(snapshot);
    REQUIRE(bytes);
    Result<Snapshot> decoded = decode_snapshot(*bytes);
    INFO((decoded ? std::string() : decoded.error().what));
    REQUIRE(decoded);
    return *std::move(decoded);
}

std::string refusal(const Snapshot& snapshot) {
    const Result<std::string> bytes = encode_snapshot(snapshot);
    return bytes ? "" : bytes.error().what;
}

std::string content(const Snapshot& snapshot) {
    Result<std::string> raw = gunzip(*encode_snapshot(snapshot), wire::kInflateLimits);
    REQUIRE(raw);
    return *std::move(raw);
}

Snapshot without_ranges(Snapshot snapshot) {
    for (Frame& frame : snapshot.frames) frame.end_line = frame.column = frame.end_column = 0;
    return snapshot;
}

/// As files knew it before temporary blocks.
Snapshot without_temporaries(Snapshot snapshot) {
    snapshot.has_temporaries = false;
    for (Site& site : snapshot.sites) site.counters.temporary_blocks = 0;
    return snapshot;
}

/// As files knew it before blocks, threads, names, user data and marks.
Snapshot without_blocks(Snapshot snapshot) {
    snapshot = without_temporaries(std::move(snapshot));
    for (Site& site : snapshot.sites) {
        site.thread = 0;
        site.thread_name = {};
        site.blocks.clear();
    }
    snapshot.has_blocks = snapshot.threads_apart = false;
    snapshot.name.clear();
    snapshot.user_data.clear();
    snapshot.marks.clear();
    snapshot.marks_dropped = 0;
    return snapshot;
}

/// Calls visit(number, bytes) for each field of a message; the bytes are those of the whole field.
template <typename Visit>
void each_field(protozero::data_view message, Visit visit) {
    protozero::pbf_reader reader(message);
    for (protozero::data_view rest = reader.data(); reader.next(); rest = reader.data()) {
        const auto tag = reader.tag();
        reader.skip();
        visit(tag, std::string_view(rest.data(), rest.size() - reader.data().size()));
    }
}

/// What a program wrote that knew our part's fields up to, not including, `first_new`.
std::string written_before(wire::OurPart first_new, const Snapshot& snapshot) {
    constexpr auto kOurPart = static_cast<protozero::pbf_tag_type>(wire::Profile::our_part);
    const auto first_field = static_cast<protozero::pbf_tag_type>(first_new);
    const std::string raw = content(snapshot);
    std::string old_raw;
    each_field(raw, [&](protozero::pbf_tag_type tag, std::string_view bytes) {
        if (tag != kOurPart) {
            old_raw += bytes;
            return;
        }
        std::string old_part;
        protozero::pbf_reader field(bytes.data(), bytes.size());
        REQUIRE(field.next());
        each_field(field.get_view(), [&](protozero::pbf_tag_type inner, std::string_view part) {
            if (inner < first_field) old_part += part;
        });
        protozero::pbf_writer(old_raw).add_message(kOurPart, old_part);
    });
    return old_raw;
}

/// Line.column of each location, as another reader finds it; 0 where it is left out.
std::vector<std::int64_t> columns_for_pprof(const Snapshot& snapshot) {
    const std::string raw = content(snapshot);
    std::vector<std::int64_t> columns;
    protozero::pbf_message<wire::Profile> profile(raw);
    while (profile.next(wire::Profile::location)) {
        protozero::pbf_message<wire::Location> location(profile.get_view());
        while (location.next(wire::Location::line)) {
            protozero::pbf_message<wire::Line> line(location.get_view());
            columns.push_back(line.next(wire::Line::column) ? line.get_int64() : 0);
        }
    }
    return columns;
}

}  // namespace

RULE("a snapshot read back equals the one written: all fields, every script, invalid UTF-8, extreme numbers") {
    CHECK(round_trip(rich_snapshot()) == rich_snapshot());
}

RULE("an empty snapshot can be written and read back") { CHECK(round_trip(Snapshot()) == Snapshot()); }

RULE("times before 1970 and durations of any sign are read back") {
    Snapshot snapshot;
    snapshot.time = decltype(snapshot.time)::min();
    snapshot.traced_for = std::chrono::nanoseconds(-1);
    CHECK(round_trip(snapshot) == snapshot);
}

RULE("a file older than columns is read, its frames without columns") {
    const Result<Snapshot> read = wire::decode_profile(written_before(wire::OurPart::frame_end_line, rich_snapshot()));
    INFO((read ? std::string() : read.error().what));
    REQUIRE(read);
    CHECK(rich_snapshot() != without_ranges(rich_snapshot()));
    CHECK(*read == without_blocks(without_ranges(rich_snapshot())));
}

RULE("a file older than blocks, threads and marks is read, without them") {
    const Result<Snapshot> read = wire::decode_profile(written_before(wire::OurPart::has_blocks, rich_snapshot()));
    INFO((read ? std::string() : read.error().what));
    REQUIRE(read);
    CHECK(rich_snapshot() != without_blocks(rich_snapshot()));
    CHECK(*read == without_blocks(rich_snapshot()));
}

RULE("a file older than temporary blocks is read, and says that none were counted") {
    const Result<Snapshot> read = wire::decode_profile(written_before(wire::OurPart::has_temporaries, rich_snapshot()));
    INFO((read ? std::string() : read.error().what));
    REQUIRE(read);
    CHECK_FALSE(read->has_temporaries);
    CHECK(*read == without_temporaries(rich_snapshot()));
    const std::vector<Statistic> rows = statistics(*read, {.by = GroupBy::domain, .counted = Counted::allocated});
    REQUIRE_FALSE(rows.empty());
    CHECK(format_line(rows.front(), {.columns = {Column::temporary}}).ends_with(": temporary=not counted"));
    CHECK(content(without_temporaries(rich_snapshot())) == written_before(wire::OurPart::has_temporaries, rich_snapshot()));
}

RULE("without columns a file is what it was before there were any") {
    const Snapshot snapshot = without_blocks(without_ranges(rich_snapshot()));
    CHECK(content(snapshot) == written_before(wire::OurPart::frame_end_line, snapshot));
}

RULE("without blocks, threads and marks a file is what it was before there were any") {
    const Snapshot snapshot = without_blocks(rich_snapshot());
    CHECK(content(snapshot) == written_before(wire::OurPart::has_blocks, snapshot));
}

RULE("end line, column and end column are kept each for itself, up to the largest") {
    constexpr std::uint32_t kMost = ~std::uint32_t{0};
    for (const auto field : {&Frame::end_line, &Frame::column, &Frame::end_column}) {
        Snapshot snapshot = without_ranges(rich_snapshot());
        snapshot.frames[2].*field = kMost;
        CHECK(round_trip(snapshot) == snapshot);
    }
}

RULE("pprof is told a frame's first column where it is known") {
    CHECK(columns_for_pprof(rich_snapshot()) == std::vector<std::int64_t>{17, 0, 0, 0, 0});
    Snapshot snapshot = rich_snapshot();
    snapshot.frames[1].column = ~std::uint32_t{0};
    CHECK(columns_for_pprof(snapshot) == std::vector<std::int64_t>{17, 4'294'967'295, 0, 0, 0});
}

RULE("random snapshots read back equal those written") {
    const auto seed = GENERATE(1U, 2U, 3U);
    std::mt19937_64 random(seed);
    for (int i = 0; i < 100; ++i) {
        CAPTURE(seed, i);
        const Snapshot snapshot = random_snapshot(random);
        REQUIRE(round_trip(snapshot) == snapshot);
    }
}

RULE("strings and frames that repeat, which no interner makes, keep their numbers") {
    Snapshot snapshot;
    snapshot.strings = {"", "a", "a", ""};
    snapshot.frames = {{StringId{1}, StringId{2}, 1, true}, {StringId{1}, StringId{2}, 1, true}};
    CHECK(round_trip(snapshot) == snapshot);
}

RULE("all strings other readers see are UTF-8, whatever the target's names are") {
    Snapshot snapshot = rich_snapshot();
    snapshot.notes.emplace_back("\xff");
    const Result<std::string> raw = gunzip(*encode_snapshot(snapshot), wire::kInflateLimits);
    REQUIRE(raw);
    protozero::pbf_message<wire::Profile> profile(*raw);
    int strings = 0;
    while (profile.next(wire::Profile::string_table)) {
        const std::string text = profile.get_string();
        for (std::string_view rest = text; !rest.empty();) {
            CAPTURE(text);
            REQUIRE(utf8_character_bytes(rest) != 0);
            rest.remove_prefix(utf8_character_bytes(rest));
        }
        ++strings;
    }
    CHECK(strings > 20);
    CHECK(round_trip(snapshot) == snapshot);
}

RULE("equal snapshots give equal bytes") { CHECK(*encode_snapshot(rich_snapshot()) == *encode_snapshot(rich_snapshot())); }

RULE("a snapshot with an index out of range is refused when written") {
    const auto broken = [](auto change) {
        Snapshot snapshot = rich_snapshot();
        change(snapshot);
        return refusal(snapshot);
    };
    const StringId no_string{1000};
    CHECK(broken([&](Snapshot& s) { s.frames[1].file = no_string; }) == "cannot be stored: the file of frame 1 is out of range");
    CHECK(broken([&](Snapshot& s) { s.frames[1].function = no_string; }) == "cannot be stored: the function of frame 1 is out of range");
    CHECK(broken([&](Snapshot& s) { s.sites[2].domain = no_string; }) == "cannot be stored: the domain of site 2 is out of range");
    CHECK(broken([](Snapshot& s) { s.sites[2].process = 2; }) == "cannot be stored: the process of site 2 is out of range");
    CHECK(broken([](Snapshot& s) { s.sites[2].frames = {FrameId{5}}; }) == "cannot be stored: a frame of site 2 is out of range");
    CHECK(broken([](Snapshot& s) { s.sites[2].frames.clear(); }) == "cannot be stored: site 2 has no frame");
    CHECK(broken([&](Snapshot& s) { s.processes[0].domains[1].domain = no_string; }) == "cannot be stored: a domain of process 0 is out of range");
    CHECK(broken([](Snapshot& s) { s.strings[0] += 'x'; }) == "cannot be stored: string 0 is not the empty one");
    CHECK(broken([](Snapshot& s) { s.tracing_cost = std::numeric_limits<double>::quiet_NaN(); }) ==
          "cannot be stored: the tracing cost is not a number");
    CHECK(broken([](Snapshot& s) { s.probes[1].entry_ns = std::numeric_limits<double>::infinity(); }) ==
          "cannot be stored: the cost of probe 1 is not a number");
    CHECK(broken([&](Snapshot& s) { s.sites[1].thread_name = no_string; }) == "cannot be stored: the thread of site 1 is out of range");
    CHECK(broken([](Snapshot& s) { s.sites[1].thread = -1; }) == "cannot be stored: the thread of site 1 is negative");
    CHECK(broken([](Snapshot& s) { std::swap(s.sites[0].blocks[1], s.sites[0].blocks[2]); }) ==
          "cannot be stored: the blocks of site 0 are not in order");
    CHECK(broken([](Snapshot& s) { s.sites[0].blocks[1] = s.sites[0].blocks[2]; }) == "cannot be stored: the blocks of site 0 are not in order");
    CHECK(broken([](Snapshot& s) { s.has_blocks = false; }) == "cannot be stored: site 0 has blocks where none were read");
    CHECK(broken([](Snapshot& s) { s.marks.resize(wire::kMaxMarks + 1); }) == "cannot be stored: 131073 marks, more than the 131072 possible");
    CHECK(broken([](Snapshot& s) { s.marks[1].user_data.resize(wire::kMaxUserData - 2); }) ==
          "cannot be stored: 1048577 user data, more than the 1048576 possible");
    CHECK(broken([](Snapshot& s) { s.sites[0].frames.resize(wire::kMaxStackFrames + 1); }) ==
          "cannot be stored: 4097 frames in a stack, more than the 4096 possible");
}

RULE("a snapshot so regular that its file would look like a bomb is still written and read back") {
    Snapshot snapshot;
    snapshot.strings.emplace_back(66 << 20, 'a');
    CHECK(round_trip(snapshot) == snapshot);
}

RULE("ten thousand sites of 25 frames are written fast enough not to be noticed") {
    const Snapshot snapshot = large_snapshot(10'000, 25);
    const auto start = std::chrono::steady_clock::now();
    const Result<std::string> bytes = encode_snapshot(snapshot);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
    REQUIRE(bytes);
    INFO("took " << took.count() << " ms for " << bytes->size() << " bytes");
    // Some 50 ms alone; the rest is for sanitizers and busy machines.
    CHECK(took < std::chrono::seconds(2));
}

RULE("a million groups of blocks take less than 4 bytes each in a file, and are written and read in a moment") {
    constexpr std::size_t kGroups = 1'000'000;
    const Snapshot with = large_snapshot_with_blocks(100'000, 8, kGroups);
    const auto start = std::chrono::steady_clock::now();
    const Result<std::string> bytes = encode_snapshot(with);
    REQUIRE(bytes);
    const auto written = std::chrono::steady_clock::now();
    const Result<Snapshot> read = decode_snapshot(*bytes);
    const auto end = std::chrono::steady_clock::now();
    REQUIRE(read);
    CHECK(*read == with);
    const auto ms = [](auto time) { return std::chrono::duration_cast<std::chrono::milliseconds>(time).count(); };
    const std::size_t without = encode_snapshot(without_blocks(with))->size();
    INFO(bytes->size() << " bytes, " << without << " without blocks; written in " << ms(written - start) << " ms, read in " << ms(end - written));
    CHECK(bytes->size() - without < 4 * kGroups);
    // Some 1.2 s and 0.5 s alone; the rest is for sanitizers and busy machines.
    CHECK(ms(end - start) < 20'000);
}
