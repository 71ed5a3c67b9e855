#include "model/view.hpp"

namespace memtrace {

const char* name_of(GroupBy by) {
    switch (by) {
        case GroupBy::line: return "line";
        case GroupBy::file: return "file";
        case GroupBy::traceback: return "traceback";
        case GroupBy::function: return "function";
        case GroupBy::domain: return "domain";
        case GroupBy::process: return "process";
        case GroupBy::thread: return "thread";
    }
    return "";
}

Result<void> check(const View& view) {
    const bool of_frames = view.by == GroupBy::line || view.by == GroupBy::file || view.by == GroupBy::function;
    if (view.cumulative && !of_frames)
        return Error{std::string("blocks cannot be counted cumulatively by ") + name_of(view.by),
                     view.by == GroupBy::traceback
                         ? "--cumulative counts a block for each frame of its traceback: use --by line, file or function"
                         : "--cumulative counts a block for each frame of its stack, which has only one " + std::string(name_of(view.by))};
    if (view.counted != Counted::live && (view.blocks.any() || view.histograms))
        return Error{"the sizes and ages of single blocks are known of live ones only",
                     view.histograms ? "leave out --allocated or --freed, or --histogram" : "leave out --allocated or --freed, or the bounds"};
    if (view.blocks.min_size_bytes > view.blocks.max_size_bytes)
        return Error{"the smallest size is larger than the largest: no block has such a size"};
    return {};
}

Result<void> check(const View& view, const Snapshot& snapshot) {
    if (Result<void> sense = check(view); !sense) return sense;
    if ((view.blocks.any() || view.histograms) && !snapshot.has_blocks)
        return Error{"the sizes and ages of single blocks are not known", "they stand in snapshots of newer versions only"};
    if (view.by == GroupBy::thread && !snapshot.threads_apart)
        return Error{"threads were not kept apart", "trace with --threads to tell them from each other"};
    return {};
}

}  // namespace memtrace
