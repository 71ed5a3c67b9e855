// Files as an attacker, a full disk or another program leaves them. The other end of every rule: nothing here may crash.
#include <algorithm>
#include <protozero/pbf_builder.hpp>
#include <random>

#include "format/gzip.hpp"
#include "format/pprof.hpp"
#include "format/snapshot_wire.hpp"
#include "fuzz/snapshot_fuzz.cpp"  // The fuzzer's entry itself, so that the unit tests run what fuzzing runs.
#include "samples.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

using protozero::pbf_builder;

Error error_of(const Result<Snapshot>& result) { return result ? Error{"(was accepted)"} : result.error(); }
std::string what(std::string_view file) { return error_of(decode_snapshot(file)).what; }
std::string what_content(std::string_view raw) { return error_of(wire::decode_profile(raw)).what; }

std::string content(const Snapshot& snapshot) {
    Result<std::string> raw = gunzip(*encode_snapshot(snapshot), wire::kInflateLimits);
    REQUIRE(raw);
    return *std::move(raw);
}

/// A profile whose own part is what `fill` writes.
template <typename Fill>
std::string profile_with(Fill fill) {
    std::string raw;
    pbf_builder<wire::Profile> profile(raw);
    {
        pbf_builder<wire::OurPart> part(profile, wire::Profile::our_part);
        fill(part);
    }
    return raw;
}

void fuzz(std::string_view bytes) { LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()); }

}  // namespace

RULE("an empty file and one that is not gzip are told apart") {
    CHECK(what("") == "the file is empty");
    CHECK(what("plain text") == "not a gzip file");
    CHECK(what("\x1f") == "the file is cut short");
    CHECK(what(content(rich_snapshot())) == "not a gzip file");
}

RULE("a snapshot cut at any byte is refused") {
    const std::string file = *encode_snapshot(rich_snapshot());
    for (std::size_t size = 1; size < file.size(); ++size) {
        CAPTURE(size);
        REQUIRE(what(file.substr(0, size)) == "the file is cut short");
    }
}

RULE("a snapshot with any byte changed is refused, or reads as before") {
    const std::string file = *encode_snapshot(rich_snapshot());
    for (std::size_t i = 0; i < file.size(); ++i) {
        for (const int mask : {0x01, 0x80, 0xff}) {
            std::string changed = file;
            changed[i] = static_cast<char>(changed[i] ^ mask);
            const Result<Snapshot> read = decode_snapshot(changed);
            CAPTURE(i, mask);
            // gzip ignores a part of its header and its padding, and a changed reference may lead to another copy of the same bytes.
            if (read) REQUIRE(*read == rich_snapshot());
        }
    }
}

RULE("bytes after the end of a snapshot are refused") {
    const std::string file = *encode_snapshot(rich_snapshot());
    CHECK(what(file + "x") == "the file is damaged: 1 more bytes follow its end");
    CHECK(what(file + file) == "the file is damaged: " + std::to_string(file.size()) + " more bytes follow its end");
}

RULE("content cut at any byte is refused, without the help of gzip's checksum") {
    const std::string raw = content(rich_snapshot());
    for (std::size_t size = 0; size < raw.size(); ++size) {
        CAPTURE(size);
        REQUIRE_FALSE(wire::decode_profile(std::string_view(raw).substr(0, size)));
    }
}

RULE("content with changed bytes never crashes, and what is accepted can be written again") {
    const std::string raw = content(rich_snapshot());
    for (std::size_t i = 0; i < raw.size(); ++i) {
        for (const int mask : {0x01, 0x02, 0x08, 0x80, 0x7f, 0xff}) {
            std::string changed = raw;
            changed[i] = static_cast<char>(changed[i] ^ mask);
            fuzz(changed);
        }
    }
}

RULE("content mutated at random never crashes") {
    const std::string raw = content(rich_snapshot());
    constexpr unsigned kSeed = 20'240'501;
    std::mt19937_64 random(kSeed);
    for (int i = 0; i < 3000; ++i) {
        std::string changed = raw;
        for (std::uint64_t edits = 1 + random() % 4; edits > 0; --edits) {
            const std::size_t at = random() % changed.size();
            const std::size_t length = std::min<std::size_t>(random() % 9, changed.size() - at);
            switch (random() % 3) {
                case 0: changed[at] = static_cast<char>(random()); break;
                case 1: changed.erase(at, length); break;
                default: changed.insert(at, raw.substr(random() % raw.size(), length));
            }
            if (changed.empty()) changed = raw;
        }
        fuzz(changed);
        fuzz(*gzip(changed, 1));
    }
}

RULE("a pprof profile of another program is named as such, with what can read it") {
    std::string raw;
    pbf_builder<wire::Profile> profile(raw);
    {
        pbf_builder<wire::ValueType> type(profile, wire::Profile::sample_type);
        type.add_uint64(wire::ValueType::type, 1);
    }
    profile.add_string(wire::Profile::string_table, "");
    profile.add_string(wire::Profile::string_table, "cpu");
    const Error error = error_of(decode_snapshot(*gzip(raw, 1)));
    CHECK(error.what == "not a memtrace-bpf snapshot");
    CHECK(error.hint.find("go tool pprof") != std::string::npos);
}

RULE("gzip'ed files that are no profile are refused") {
    CHECK(what(*gzip("", 1)) == "neither a memtrace-bpf snapshot nor any other pprof profile");
    CHECK(what(*gzip("some text, as in a log file", 1)).starts_with("the file is damaged: not a protobuf message"));
}

RULE("a newer format is refused before anything else in it is read") {
    const std::string raw = profile_with([](auto& part) {
        part.add_bytes(wire::OurPart::process, "no process at all");
        part.add_uint32(wire::OurPart::format_version, wire::kFormatVersion + 1);
    });
    const Error error = error_of(wire::decode_profile(raw));
    CHECK(error.what == "written in format 2; this program reads formats up to 1");
    CHECK_FALSE(error.hint.empty());
}

RULE("a part of ours without version, or twice, is refused") {
    const std::string raw = content(rich_snapshot());
    CHECK(what_content(profile_with([](auto& part) { part.add_uint64(wire::OurPart::events, 1); })) ==
          "the file is damaged: its format has no version");
    CHECK(what_content(raw + raw) == "the file is damaged: it holds two snapshots");
}

RULE("fields this version does not know are skipped") {
    std::string raw = content(rich_snapshot());
    protozero::pbf_writer(raw).add_string(30000, "from the future");
    const Result<Snapshot> read = wire::decode_profile(raw);
    REQUIRE(read);
    CHECK(*read == rich_snapshot());
}

RULE("fields of a known number but another wire type are skipped, not misread") {
    std::string raw = content(rich_snapshot());
    protozero::pbf_writer(raw).add_fixed64(static_cast<protozero::pbf_tag_type>(wire::Profile::sample), 1);
    protozero::pbf_writer(raw).add_uint64(static_cast<protozero::pbf_tag_type>(wire::Profile::string_table), 1);
    const Result<Snapshot> read = wire::decode_profile(raw);
    REQUIRE(read);
    CHECK(*read == rich_snapshot());
}

RULE("announced strings and sites that are not there, or too many, are refused") {
    const auto announcing = [](std::uint64_t strings, std::uint64_t sites) {
        return profile_with([&](auto& part) {
            const std::vector<std::uint64_t> column(sites, 0);
            part.add_uint32(wire::OurPart::format_version, wire::kFormatVersion);
            part.add_uint64(wire::OurPart::string_count, strings);
            part.add_packed_uint64(wire::OurPart::site_process, column.begin(), column.end());
            part.add_packed_uint64(wire::OurPart::site_domain, column.begin(), column.end());
            part.add_packed_uint64(wire::OurPart::site_total_frames, column.begin(), column.end());
        });
    };
    CHECK(what_content(announcing(~std::uint64_t{0}, 0)) == "the file is damaged: it holds fewer strings than announced");
    CHECK(what_content(announcing(0, 1)) == "the file is damaged: it holds fewer samples than sites");
    CHECK(what_content(announcing(0, wire::kMaxSites + 1)) == "the file is damaged: more sites than the 16777216 possible");
    CHECK(what_content(announcing(0, 0)) == "the file is damaged: string 0 is not the empty one");
    CHECK(what_content(content(rich_snapshot()) + std::string("\x12\x00", 2)) == "the file is damaged: it holds more samples than sites");
}

RULE("blocks that do not fit their sites, or exceed a number, are refused") {
    struct Columns {
        std::vector<std::uint64_t> groups, sizes, ages, counts;
    };
    const auto refusal = [](const Columns& columns) {
        const std::string raw = profile_with([&](auto& part) {
            part.add_uint32(wire::OurPart::format_version, wire::kFormatVersion);
            const std::vector<std::uint64_t> two{0, 0};
            for (const auto column : {wire::OurPart::site_process, wire::OurPart::site_domain, wire::OurPart::site_total_frames})
                part.add_packed_uint64(column, two.begin(), two.end());
            part.add_packed_uint64(wire::OurPart::site_block_groups, columns.groups.begin(), columns.groups.end());
            part.add_packed_uint64(wire::OurPart::block_size, columns.sizes.begin(), columns.sizes.end());
            part.add_packed_uint64(wire::OurPart::block_age, columns.ages.begin(), columns.ages.end());
            part.add_packed_uint64(wire::OurPart::block_count, columns.counts.begin(), columns.counts.end());
        });
        return what_content(raw);
    };
    const std::string damaged = "the file is damaged: ";
    CHECK(refusal({{1, 1}, {1, 1}, {1, 1}, {1, 1}}) == damaged + "it holds fewer samples than sites");
    CHECK(refusal({{2}, {1, 1}, {1, 1}, {1, 1}}) == damaged + "the columns of its sites differ in length");
    CHECK(refusal({{1, 1}, {1, 1}, {1}, {1, 1}}) == damaged + "the columns of its blocks differ in length");
    CHECK(refusal({{1, 1}, {1, 1}, {1, 1}, {1}}) == damaged + "the columns of its blocks differ in length");
    CHECK(refusal({{1, 0}, {1, 1}, {1, 1}, {1, 1}}) == damaged + "its sites announce other blocks than there are");
    CHECK(refusal({{0xffffffff, 0xffffffff}, {1}, {1}, {1}}) == damaged + "its sites announce other blocks than there are");
    CHECK(refusal({{}, {1}, {1}, {1}}) == damaged + "its sites announce other blocks than there are");
    CHECK(refusal({{2, 0}, {1, ~std::uint64_t{0}}, {1, 1}, {1, 1}}) == damaged + "the size or the age of a block is too large");
    CHECK(refusal({{2, 0}, {1, 0}, {0xffff, 1}, {1, 1}}) == damaged + "the size or the age of a block is too large");
    CHECK(refusal({{2, 0}, {1, 1}, {0xffff, 0x10000}, {1, 1}}) == damaged + "a number among the groups of blocks is too large");
}

RULE("user data and marks beyond their limits are refused while they are read") {
    const std::string raw = profile_with([](auto& part) {
        part.add_uint32(wire::OurPart::format_version, wire::kFormatVersion);
        for (std::size_t i = 0; i <= wire::kMaxUserData; ++i) part.add_message(wire::OurPart::user_datum, std::string());
    });
    CHECK(what_content(raw) == "the file is damaged: more user data than the 1048576 possible");
    const std::string marks = profile_with([](auto& part) {
        part.add_uint32(wire::OurPart::format_version, wire::kFormatVersion);
        for (std::size_t i = 0; i <= wire::kMaxMarks; ++i) part.add_message(wire::OurPart::mark, std::string());
    });
    CHECK(what_content(marks) == "the file is damaged: more marks than the 131072 possible");
}

RULE("columns of unequal length and numbers beyond 32 bits are refused") {
    const auto with_lines = [](std::vector<std::uint64_t> lines) {
        return profile_with([&](auto& part) {
            part.add_uint32(wire::OurPart::format_version, wire::kFormatVersion);
            part.add_packed_uint64(wire::OurPart::frame_line, lines.begin(), lines.end());
        });
    };
    const auto with_columns = [](wire::OurPart tag, std::vector<std::uint64_t> columns) {
        return profile_with([&](auto& part) {
            part.add_uint32(wire::OurPart::format_version, wire::kFormatVersion);
            const std::vector<std::uint64_t> two{0, 0};
            for (const auto column :
                 {wire::OurPart::frame_file, wire::OurPart::frame_function, wire::OurPart::frame_line, wire::OurPart::frame_python})
                part.add_packed_uint64(column, two.begin(), two.end());
            part.add_packed_uint64(tag, columns.begin(), columns.end());
        });
    };
    for (const auto tag : {wire::OurPart::frame_end_line, wire::OurPart::frame_column, wire::OurPart::frame_end_column}) {
        CHECK(what_content(with_columns(tag, {1})) == "the file is damaged: the columns of its frames differ in length");
        CHECK(what_content(with_columns(tag, {1, 1, 1})) == "the file is damaged: the columns of its frames differ in length");
        CHECK(what_content(with_columns(tag, {1, std::uint64_t{1} << 32})) == "the file is damaged: a number among the frames is too large");
    }
    CHECK(what_content(with_lines({1})) == "the file is damaged: the columns of its frames differ in length");
    CHECK(what_content(with_lines({std::uint64_t{1} << 32})) == "the file is damaged: a number among the frames is too large");
}

RULE("a gzip bomb is refused when it passes its limit, long before it is unpacked") {
    const std::string bomb = *gzip(std::string(80 << 20, '\0'), 9);
    REQUIRE(bomb.size() < 100'000);
    CHECK(what(bomb) == "its " + std::to_string(bomb.size()) + " bytes expand to more than the 67108864 bytes allowed");
}

RULE("the limit of expansion is the larger of a fixed size and a ratio, and never beyond a maximum") {
    constexpr InflateLimits kLimits{.max_bytes = 1000, .free_bytes = 100, .max_ratio = 10};
    CHECK(kLimits.allowed(1) == 100);
    CHECK(kLimits.allowed(50) == 500);
    CHECK(kLimits.allowed(500) == 1000);
    CHECK(kLimits.allowed(~std::uint64_t{0}) == 1000);
    CHECK(gunzip(*gzip(std::string(100, 'a'), 1), kLimits));
    CHECK_FALSE(gunzip(*gzip(std::string(1001, 'a'), 1), kLimits));
}
