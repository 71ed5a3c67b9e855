// The message that makes a pprof profile a snapshot file (snapshot_wire.hpp lists its fields), written and read.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <protozero/data_view.hpp>
#include <protozero/types.hpp>

#include "format/snapshot_wire.hpp"

namespace memtrace::wire {

// Labels for a switch over tag_and_type(): a field of the wrong wire type is an unknown one and gets skipped.
template <typename Tag>
constexpr std::uint32_t integer(Tag tag) {
    return protozero::tag_and_type(tag, protozero::pbf_wire_type::varint);
}
template <typename Tag>
constexpr std::uint32_t real(Tag tag) {
    return protozero::tag_and_type(tag, protozero::pbf_wire_type::fixed64);
}
template <typename Tag>
constexpr std::uint32_t message(Tag tag) {
    return protozero::tag_and_type(tag, protozero::pbf_wire_type::length_delimited);
}

/// Appends our message to the profile. The snapshot has passed check().
void write_our_part(const Snapshot& snapshot, std::string& raw);

Error damaged(std::string_view reason);

struct OurPartContent {
    Snapshot snapshot;  ///< Complete but for times, strings and sites. Indexes are not checked.
    std::uint64_t string_count = 0;
    std::vector<std::pair<std::uint64_t, std::string>> raw_strings;  ///< Index into Snapshot::strings and its true spelling.
    /// One element a site each; sites are made when their samples come, so that memory follows what the file really holds.
    std::vector<std::uint32_t> site_process, site_domain, site_total_frames;
    std::vector<std::uint32_t> site_thread, site_thread_name, site_block_groups;  ///< Empty: 0 for each.
    std::vector<std::uint64_t> site_temporary_blocks;                             ///< Likewise.
    std::vector<BlockGroup> groups;                                               ///< Those of the first site, then of the next …
};

/// Errors: a newer format, counts beyond the limits, columns of unequal length. Throws what protozero throws.
Result<OurPartContent> read_our_part(protozero::data_view bytes);

}  // namespace memtrace::wire
