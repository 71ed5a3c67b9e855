// Bytes of a snapshot file → Snapshot. The file is hostile until wire::check() has passed.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <protozero/exception.hpp>
#include <protozero/pbf_message.hpp>

#include "format/our_part.hpp"
#include "format/pprof.hpp"
#include "format/snapshot_wire.hpp"

namespace memtrace {
namespace {

using protozero::pbf_message;
using wire::integer;
using wire::message;

/// What a first look at the profile finds.
struct Outline {
    std::optional<protozero::data_view> our_part;
    bool our_part_repeated = false;
    bool has_sample_type = false;
    std::int64_t time_ns = 0;
    std::int64_t duration_ns = 0;
};

Outline outline(std::string_view raw) {
    Outline found;
    pbf_message<wire::Profile> profile(raw.data(), raw.size());
    while (profile.next()) {
        switch (profile.tag_and_type()) {
            case message(wire::Profile::our_part):
                found.our_part_repeated = found.our_part.has_value();
                found.our_part = profile.get_view();
                break;
            case message(wire::Profile::sample_type):
                found.has_sample_type = true;
                profile.skip();
                break;
            case integer(wire::Profile::time_nanos): found.time_ns = profile.get_int64(); break;
            case integer(wire::Profile::duration_nanos): found.duration_ns = profile.get_int64(); break;
            default: profile.skip();
        }
    }
    return found;
}

Error foreign(const Outline& found) {
    if (!found.has_sample_type) return Error{"neither a memtrace-bpf snapshot nor any other pprof profile"};
    return Error{"not a memtrace-bpf snapshot", "it is a pprof profile of another program; it can be read with go tool pprof"};
}

/// Stack and counters of one site. `frames` is room for its stack, so that the site's own is made once, of the right size.
Result<void> read_sample(pbf_message<wire::Sample> sample, std::size_t frame_count, std::vector<FrameId>& frames, Site& site) {
    frames.clear();
    std::array<std::uint64_t, 4> values{};
    std::size_t value_count = 0;
    while (sample.next()) {
        switch (sample.tag_and_type()) {
            case message(wire::Sample::location_id):
                for (const std::uint64_t id : sample.get_packed_uint64()) {
                    if (id == 0 || id > frame_count) return wire::damaged("a stack names a frame that is not there");
                    if (frames.size() == wire::kMaxStackFrames) return wire::damaged("a stack is too deep");
                    frames.push_back(FrameId{static_cast<std::uint32_t>(id - 1)});
                }
                break;
            case message(wire::Sample::value):
                for (const std::uint64_t value : sample.get_packed_uint64()) {
                    if (value_count == values.size()) return wire::damaged("a site has too many counters");
                    values[value_count++] = value;
                }
                break;
            default: sample.skip();
        }
    }
    if (value_count != values.size()) return wire::damaged("a site has too few counters");
    site.frames = frames;
    site.counters = Counters{values[0], values[1], values[0] - values[2], values[1] - values[3]};
    return {};
}

/// Of a sample with one frame: two tags and lengths, the frame, four counters, its own tag and length.
constexpr std::size_t least_sample_bytes = 11;

/// Adds what the profile itself holds of a snapshot: as many strings and sites as our part announced.
Result<void> read_profile(std::string_view raw, wire::OurPartContent& content) {
    Snapshot& snapshot = content.snapshot;
    const std::size_t site_count = content.site_process.size();
    auto next_group = content.groups.cbegin();
    snapshot.strings.clear();
    snapshot.sites.reserve(std::min(site_count, raw.size() / least_sample_bytes));  // no more than the file can hold
    std::vector<FrameId> frames;
    pbf_message<wire::Profile> profile(raw.data(), raw.size());
    while (profile.next()) {
        switch (profile.tag_and_type()) {
            case message(wire::Profile::string_table): {
                const protozero::data_view text = profile.get_view();
                if (snapshot.strings.size() < content.string_count) snapshot.strings.emplace_back(text.data(), text.size());
                break;
            }
            case message(wire::Profile::sample): {
                const std::size_t i = snapshot.sites.size();
                if (i == site_count) return wire::damaged("it holds more samples than sites");
                Site& site = snapshot.sites.emplace_back();
                site.process = content.site_process[i];
                site.domain = StringId{content.site_domain[i]};
                site.total_frames = content.site_total_frames[i];
                if (!content.site_thread.empty()) site.thread = static_cast<std::int32_t>(content.site_thread[i]);
                if (!content.site_thread_name.empty()) site.thread_name = StringId{content.site_thread_name[i]};
                if (!content.site_block_groups.empty()) {
                    const auto end = next_group + content.site_block_groups[i];
                    site.blocks.assign(next_group, end);
                    next_group = end;
                }
                const pbf_message<wire::Sample> sample(profile.get_view());
                if (Result<void> read = read_sample(sample, snapshot.frames.size(), frames, site); !read) return read;
                if (!content.site_temporary_blocks.empty()) site.counters.temporary_blocks = content.site_temporary_blocks[i];
                break;
            }
            default: profile.skip();
        }
    }
    if (snapshot.strings.size() < content.string_count) return wire::damaged("it holds fewer strings than announced");
    if (snapshot.sites.size() < site_count) return wire::damaged("it holds fewer samples than sites");
    return {};
}

Result<Snapshot> decode(std::string_view raw) {
    const Outline found = outline(raw);
    if (!found.our_part) return foreign(found);
    if (found.our_part_repeated) return wire::damaged("it holds two snapshots");
    Result<wire::OurPartContent> content = wire::read_our_part(*found.our_part);
    if (!content) return std::move(content).error();
    Snapshot& snapshot = content->snapshot;
    snapshot.time = std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::nanoseconds(found.time_ns));
    snapshot.traced_for = std::chrono::nanoseconds(found.duration_ns);
    if (Result<void> read = read_profile(raw, *content); !read) return std::move(read).error();
    for (auto& [index, bytes] : content->raw_strings) {
        if (index >= snapshot.strings.size()) return wire::damaged("it spells a string that is not there");
        snapshot.strings[index] = std::move(bytes);
    }
    if (Result<void> valid = wire::check(snapshot); !valid) return wire::damaged(valid.error().what);
    return std::move(snapshot);
}

}  // namespace

Result<Snapshot> wire::decode_profile(std::string_view raw) {
    try {
        return decode(raw);
    } catch (const protozero::exception& reason) {
        return damaged(fmt::format("not a protobuf message ({})", reason.what()));
    }
}

Result<Snapshot> decode_snapshot(std::string_view bytes) {
    try {
        Result<std::string> raw = gunzip(bytes, wire::kInflateLimits);
        if (!raw) return std::move(raw).error();
        return wire::decode_profile(*raw);
    } catch (const std::bad_alloc&) {
        // The one allocation failure worth surviving: its size was chosen by whoever wrote the file.
        return Error{"not enough memory to read it"};
    }
}

}  // namespace memtrace
