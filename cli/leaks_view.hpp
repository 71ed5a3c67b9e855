// The report of `leaks`: stacks and what they have allocated and not freed, in the lines of bcc's memleak.
#pragma once

#include <optional>
#include <string>

#include "call_trace.hpp"
#include "options.hpp"
#include "terminal.hpp"

namespace memtrace::cli {

/// How many single blocks one report lists; the oldest ones.
inline constexpr std::size_t most_listed_blocks = 10'000;

struct LeaksText {
    const LeaksReport& report;
    const ViewOptions& view;
    const Outstanding* blocks = nullptr;  ///< To be listed, with their names.
    SiteNames* names = nullptr;
};

/// "[HH:MM:SS] Top N stacks with outstanding allocations:", then for each of them, largest first, "<tab>B bytes in C allocations from stack",
/// behind it in brackets the age of its oldest block and what came since `before`, and a line a frame, newest first. Then the sum, losses
/// and notes. The view is by traceback; the snapshot has blocks.
std::string render_leaks(const Snapshot& now, const std::optional<Snapshot>& before, const LeaksText& text, const Terminal& terminal);

}  // namespace memtrace::cli
