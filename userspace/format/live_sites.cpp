#include "format/live_sites.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "format/text.hpp"

namespace memtrace {

Snapshot only_shown(Snapshot snapshot, const View& view) {
    if (!view.filters.empty()) {
        const SiteFilter filter(snapshot, view.filters, view.lines);
        std::erase_if(snapshot.sites, [&](const Site& site) { return !filter.passes(site); });
    }
    if (!view.blocks.any()) return snapshot;
    for (Site& site : snapshot.sites) {
        std::erase_if(site.blocks, [&](const BlockGroup& group) { return !view.blocks.holds(group); });
        site.counters = {};
        for (const BlockGroup& group : site.blocks) site.counters += {group.count, group.count * group.size_bytes, 0, 0};
    }
    std::erase_if(snapshot.sites, [](const Site& site) { return site.blocks.empty(); });
    return snapshot;
}

std::vector<const Site*> live_sites(const Snapshot& snapshot) {
    const std::vector<bool> counts = snapshot.processes_that_count();
    std::vector<const Site*> sites;
    for (const Site& site : snapshot.sites) {
        const bool process_counts = site.process >= counts.size() || counts[site.process];
        if (process_counts && site.counters.live_blocks() != 0) sites.push_back(&site);
    }
    return sites;
}

void shown_frames(const Snapshot& snapshot, const Site& site, Lines lines, std::vector<FrameId>& frames) {
    const Stack stack(snapshot, site, lines);
    frames.clear();
    for (std::size_t i = 0; i < stack.size(); ++i) frames.push_back(stack[i]);
}

std::string shown_file(const Snapshot& snapshot, const Frame& frame) {
    const std::string& file = snapshot.text(frame.file);
    const std::string& function = snapshot.text(frame.function);
    if (!frame.python && frame.line == 0 && !function.empty()) return format_symbol(file, function);
    return std::string(source_file(file));
}

std::string shown_frame(const Snapshot& snapshot, const Frame& frame) {
    const std::string& file = snapshot.text(frame.file);
    const std::string& function = snapshot.text(frame.function);
    const std::string place = frame.line == 0 ? file : fmt::format("{}:{}", file, frame.line);
    return printable(function.empty() ? place : fmt::format("{} ({})", function, place));
}

bool live_blocks(const Snapshot& snapshot, const Site& site, std::vector<Blocks>& blocks) {
    const std::uint64_t count = site.counters.live_blocks(), bytes = site.counters.live_bytes();
    blocks.clear();
    std::uint64_t blocks_found = 0, bytes_found = 0;  // may wrap in a file made to: then single groups differ, as they do there anyhow
    for (const BlockGroup& group : site.blocks) {
        blocks_found += group.count;
        bytes_found += group.count * group.size_bytes;
        const bool same_size = !blocks.empty() && blocks.back().size_bytes == group.size_bytes;  // only their ages differ
        if (same_size) {
            blocks.back().count += group.count;
        } else if (group.count != 0) {
            blocks.push_back({group.size_bytes, group.count});
        }
    }
    if (snapshot.has_blocks && blocks_found == count && bytes_found == bytes) return true;
    blocks.clear();
    if (count == 0) return false;
    const std::uint64_t larger = bytes % count;
    if (larger != count) blocks.push_back({bytes / count, count - larger});
    if (larger != 0) blocks.push_back({bytes / count + 1, larger});
    return count == 1;
}

}  // namespace memtrace
