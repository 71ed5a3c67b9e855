#include "view_options.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace memtrace::cli {

bool ViewOptions::shows(Column column) const { return std::find(columns.begin(), columns.end(), column) != columns.end(); }

Result<void> check(const ViewOptions& view) { return memtrace::check(static_cast<const View&>(view)); }

Result<void> check(const ViewOptions& view, const Snapshot& snapshot) {
    if (Result<void> sense = memtrace::check(static_cast<const View&>(view), snapshot); !sense) return sense;
    if (view.needs_blocks() && !snapshot.has_blocks) return Error{"the ages of single blocks are not known", "they are not part of this snapshot"};
    return {};
}

static std::string lines_shown(Lines lines) {
    return lines == Lines::native ? "native lines" : lines == Lines::mixed ? "native and Python lines mixed" : "";
}

std::string description(const ViewOptions& view, const std::string& between) {
    std::string only, without;
    const auto add = [&](bool inclusive, const std::string& what) {
        std::string& names = inclusive ? only : without;
        names += (names.empty() ? inclusive ? "only " : "without " : ", ") + what;
    };
    for (const DomainFilter& filter : view.filters.domains) add(filter.inclusive, filter.domain);
    for (const FileFilter& filter : view.filters.files)
        add(filter.inclusive,
            printable(filter.pattern) + (filter.line ? fmt::format(":{}", *filter.line) : "") + (filter.all_frames ? " in any frame" : ""));
    std::string bounds;
    if (view.blocks.min_size_bytes > 0) bounds += " of at least " + format_size(view.blocks.min_size_bytes);
    if (view.blocks.max_size_bytes != ~std::uint64_t{0}) bounds += " of at most " + format_size(view.blocks.max_size_bytes);
    if (view.blocks.older.count() > 0) bounds += " older than " + format_duration(view.blocks.older);
    const std::string counted = view.counted == Counted::allocated ? "all that was allocated"
                                : view.counted == Counted::freed   ? "what was freed"
                                                                   : "";
    std::string text;
    for (const std::string& part :
         {only, without, bounds.empty() ? "" : "blocks" + bounds, counted, view.by == GroupBy::line ? "" : std::string("by ") + name_of(view.by),
          std::string(view.cumulative ? "cumulative" : ""), lines_shown(view.lines)}) {
        text += (text.empty() || part.empty() ? "" : between) + part;
    }
    return text;
}

}  // namespace memtrace::cli
