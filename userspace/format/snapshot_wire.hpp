// What a snapshot file is made of: field numbers and limits, shared by its writer and its reader.
// Profile to Label are pprof's profile.proto (github.com/google/pprof); OurPart and what follows are ours.
#pragma once

#include <cstdint>
#include <string_view>

#include <protozero/types.hpp>

#include "format/gzip.hpp"
#include "model/snapshot.hpp"
#include "util/result.hpp"

namespace memtrace::wire {

// The path of one number: a Site is a Sample (its stack as location ids, its counters as four values) plus one element of each
// site_* column. Location i+1 shows Snapshot::frames[i] to other readers; ours takes frames from the frame_* columns.
// Strings are those of the profile's table, which begins with Snapshot::strings in their order.

enum class Profile : protozero::pbf_tag_type {
    sample_type = 1,
    sample = 2,
    mapping = 3,
    location = 4,
    function = 5,
    string_table = 6,
    time_nanos = 9,
    duration_nanos = 10,
    period_type = 11,
    period = 12,
    comment = 13,
    default_sample_type = 14,
    our_part = 21001,  ///< Far from anything pprof will assign; unknown fields are skipped by the rules of protobuf.
};
enum class ValueType : protozero::pbf_tag_type { type = 1, unit = 2 };
enum class Sample : protozero::pbf_tag_type { location_id = 1, value = 2, label = 3 };
enum class Label : protozero::pbf_tag_type { key = 1, str = 2, num = 3 };
enum class Mapping : protozero::pbf_tag_type { id = 1, filename = 5, has_functions = 7, has_filenames = 8, has_line_numbers = 9 };
enum class Location : protozero::pbf_tag_type { id = 1, mapping_id = 2, line = 4 };
enum class Line : protozero::pbf_tag_type { function_id = 1, line = 2, column = 3 };
enum class Function : protozero::pbf_tag_type { id = 1, name = 2, filename = 4 };

/// Raised when an older reader would misread the file; fields it may skip need no new version.
inline constexpr std::uint32_t kFormatVersion = 1;

enum class OurPart : protozero::pbf_tag_type {
    format_version = 1,
    tool_version = 2,
    kernel = 3,
    events = 4,
    tracing_cost = 5,
    frame_limit = 6,
    process = 7,
    probe = 8,
    loss = 9,
    note = 10,
    string_count = 11,  ///< How many entries of the string table are Snapshot::strings.
    raw_string = 12,    ///< For each of them that is not UTF-8: the table, where strict readers look, has an escaped form.
    frame_file = 13,    ///< From here on: packed columns, one element a frame …
    frame_function = 14,
    frame_line = 15,
    frame_python = 16,
    site_process = 17,  ///< … and one a site.
    site_domain = 18,
    site_total_frames = 19,
    frame_end_line = 20,  ///< These three a frame, too; left out where all are 0, as in files older than the columns.
    frame_column = 21,
    frame_end_column = 22,
    has_blocks = 23,  ///< All that follows may be missing; files older than it have none.
    threads_apart = 24,
    name = 25,
    user_datum = 26,
    mark = 27,
    marks_dropped = 28,
    site_thread = 29,  ///< One element a site; left out where all are 0.
    site_thread_name = 30,
    site_block_groups = 31,  ///< How many elements of the three next columns belong to the site.
    block_size = 32,         ///< One element a group of blocks: more than the group before it of the same site, the first one more than 0.
    block_age = 33,          ///< A step (model/age.hpp): more than that of the group before it where both are of one size, else the step itself.
    block_count = 34,
    has_temporaries = 40,
    site_temporary_blocks = 41,  ///< One element a site; left out where all are 0.
};
enum class RawString : protozero::pbf_tag_type { index = 1, bytes = 2 };
enum class Process : protozero::pbf_tag_type {
    pid = 1,
    command = 2,
    start_time_ticks = 3,
    rss_bytes = 4,
    vms_bytes = 5,
    traced_bytes = 6,
    traced_peak_bytes = 7,
    domain = 8,
    ended = 9,
};
enum class DomainUsage : protozero::pbf_tag_type { domain = 1, bytes = 2, peak_bytes = 3 };
enum class Probe : protozero::pbf_tag_type {
    hook = 1,
    file = 2,
    offset = 3,
    symbol = 4,
    instruction = 5,
    method = 6,
    entry_ns = 7,
    hits = 8,
};
enum class Loss : protozero::pbf_tag_type { cause = 1, count = 2, lost = 3 };
enum class UserDatum : protozero::pbf_tag_type { title = 1, format = 2, value = 3 };
enum class Mark : protozero::pbf_tag_type { name = 1, time_ns = 2, pid = 3, traced_bytes = 4, user_datum = 5 };

/// A file may always become 64 MiB (a million sites of one frame); beyond that its ratio tells a profile, whose stacks and names
/// compress a few times, from a bomb, which needs hundreds.
inline constexpr InflateLimits kInflateLimits{.max_bytes = std::uint64_t{4} << 30, .free_bytes = 64 << 20, .max_ratio = 200};
/// deflate adds less than a thousandth to what it cannot compress.
inline constexpr std::uint64_t kMaxFileBytes = kInflateLimits.max_bytes + kInflateLimits.max_bytes / 1000;

// Counts that no trace reaches, so that a hostile file cannot make a few bytes into gigabytes of structures.
inline constexpr std::size_t kMaxSites = std::size_t{1} << 24;
inline constexpr std::size_t kMaxFrames = std::size_t{1} << 24;
inline constexpr std::size_t kMaxStrings = std::size_t{1} << 24;
inline constexpr std::size_t kMaxStackFrames = 4096;   ///< 2 × MT_MAX_FRAMES, native ones expanded to their inlined functions.
inline constexpr std::size_t kMaxProcesses = 1 << 16;  ///< A slot has 16 bits in the kernel's keys.
inline constexpr std::size_t kMaxDomains = 256;        ///< Of one process; a domain is one byte in the kernel.
inline constexpr std::size_t kMaxProbes = 1 << 16;     ///< A probe's index has 16 bits in its cookie.
inline constexpr std::size_t kMaxLosses = 4096;
inline constexpr std::size_t kMaxNotes = 4096;
inline constexpr std::size_t kMaxBlockGroups = std::size_t{1} << 26;  ///< Of all sites: 1.6 GB of them.
inline constexpr std::size_t kMaxMarks = 1 << 17;                     ///< A tracer keeps 100 000.
inline constexpr std::size_t kMaxUserData = std::size_t{1} << 20;     ///< Of the snapshot and all of its marks.

/// Whether all counts are within the limits above, all indexes in range, every stack has a frame and every ratio is a number.
/// Asked before writing and after reading: what is written can be read.
Result<void> check(const Snapshot& snapshot);

/// decode_snapshot() after decompression.
Result<Snapshot> decode_profile(std::string_view raw);

}  // namespace memtrace::wire
