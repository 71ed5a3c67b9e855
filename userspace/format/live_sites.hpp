// What a view shows of a snapshot, as every export needs it: sites with live blocks, the frames they are shown by, single blocks' sizes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/snapshot.hpp"
#include "model/view.hpp"

namespace memtrace {

/// Without the blocks that the view's filters and bounds leave out; where there are bounds, what was freed is not told any more.
Snapshot only_shown(Snapshot snapshot, const View& view);

/// Sites with live blocks, of the processes that count.
std::vector<const Site*> live_sites(const Snapshot& snapshot);

/// The frames a site is shown by (Stack), newest first.
void shown_frames(const Snapshot& snapshot, const Site& site, Lines lines, std::vector<FrameId>& frames);

/// The file of a frame as our line view and tracemalloc show it: source of what was compiled; "libfoo.so.1(symbol+0x1f)" where no line is known.
std::string shown_file(const Snapshot& snapshot, const Frame& frame);
/// A frame in one text: "Cache.put (/srv/cache.py:88)", "make+0x1f (libfoo.so.1)", "<unknown>". Made printable.
std::string shown_frame(const Snapshot& snapshot, const Frame& frame);

struct Blocks {
    std::uint64_t size_bytes = 0;  ///< Of each.
    std::uint64_t count = 0;
};
/// The live blocks of a site by size, ascending. Where they were not read, or do not add up to its counters (a reading amid changes), the
/// counters are split evenly, total and count exact. Returns whether sizes are known.
bool live_blocks(const Snapshot& snapshot, const Site& site, std::vector<Blocks>& blocks);

}  // namespace memtrace
