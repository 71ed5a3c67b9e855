// All that a picture is made of, and the functions that draw its parts.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/source_lines.hpp"
#include "screen/callers.hpp"
#include "screen/canvas.hpp"
#include "screen/history.hpp"
#include "screen/state.hpp"
#include "view_options.hpp"

namespace memtrace::cli::screen {

/// `process`: whose files they are; null: not known. `line` with up to `around` lines before and behind it.
using ReadSource = std::function<SourceExcerpt(const Process* process, std::string_view file, std::uint32_t line, unsigned around)>;

struct CheckpointLine {
    std::string name, time;
    std::uint64_t bytes = 0, blocks = 0;
};

struct Scene {
    const State& state;
    const Snapshot& now;
    const Snapshot* before;  ///< At the refresh before; null: there was none.
    const Table& table;
    const History& history;
    const RowHistory& rows;
    const Callers* callers;  ///< Of Page::callers.
    const std::vector<CheckpointLine>& checkpoints;
    const ViewOptions& options;  ///< As asked for on the command line: columns and parts of paths.
    const ReadSource& source;
    std::string_view over;   ///< Why the trace has ended; empty: it has not.
    std::string_view saved;  ///< Which file is shown, of how many; empty: it is a live trace.
};

// Each adds its lines, and tells in `facts` where keys and clicks find them.
void draw_header(Canvas& canvas, const Scene& scene);
void draw_status(Canvas& canvas, const Scene& scene);
void draw_table(Canvas& canvas, const Scene& scene, std::size_t lines, Facts& facts);
void draw_callers(Canvas& canvas, const Scene& scene, std::size_t lines, Facts& facts);
void draw_checkpoints(Canvas& canvas, const Scene& scene, std::size_t lines, Facts& facts);
void draw_losses(Canvas& canvas, const Scene& scene, std::size_t lines, Facts& facts);
void draw_help(Canvas& canvas, const Scene& scene, std::size_t lines, Facts& facts);
void draw_footer(Canvas& canvas, const Scene& scene);

/// The whole screen.
Canvas draw(const Scene& scene, unsigned columns, unsigned rows, bool unicode, Facts& facts);

}  // namespace memtrace::cli::screen
