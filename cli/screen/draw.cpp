// The parts of a picture, one below the other.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "format/text.hpp"
#include "screen/scene.hpp"
#include "terminal.hpp"

namespace memtrace::cli::screen {
namespace {

std::string question(const State& state) {
    switch (state.prompt) {
        case Prompt::filter: return "Filter: ";
        case Prompt::checkpoint: return "Name of the checkpoint: ";
        case Prompt::file: return "Write snapshot to: ";
        case Prompt::replace: return printable(state.input) + " exists. Replace it? y/n ";
        case Prompt::clear: return "Forget all blocks that were seen, and count anew? y/n ";
        case Prompt::none: break;
    }
    return {};
}

void draw_prompt(Canvas& canvas, const State& state) {
    Line& line = canvas.line();
    line.add(question(state), Style::strong);
    const bool is_typed = state.prompt == Prompt::filter || state.prompt == Prompt::checkpoint || state.prompt == Prompt::file;
    const std::size_t room = canvas.columns > line.width() + 1 ? canvas.columns - line.width() - 1 : 0;
    if (is_typed) line.add(keep_right(printable(state.input), room, canvas.unicode));
    line.cut_to(canvas.columns);
    canvas.cursor = line.width();
}

void draw_keys(Canvas& canvas, const Scene& scene) {
    using Keys = std::vector<std::pair<const char*, const char*>>;
    static const Keys table{{"F1", "Help"},      {"/", "Filter"},    {"Space", "Freeze"}, {"Enter", "Callers"}, {"<>", "Sort"},  {"lfFtDTP", "Group"},
                            {"q", "Quit"},       {"m", "Mark"},      {"d", "Diff"},       {"w", "Write"},       {"i", "Losses"}, {"c", "Since"},
                            {"C", "Cumulative"}, {"+-", "Interval"}, {"R", "Reset peak"}, {"X", "Clear"}};
    static const Keys saved{{"F1", "Help"},       {"/", "Filter"},    {"Left Right", "Step"}, {"Enter", "Callers"}, {"<>", "Sort"},     {"q", "Quit"},
                            {"lfFtDTP", "Group"}, {"Space", "Pause"}, {"i", "Losses"},        {"c", "Since"},       {"C", "Cumulative"}};
    static const Keys other{{"Esc", "Back"}, {"F1", "Help"}, {"Space", "Freeze"}, {"q", "Quit"}};
    const Keys& keys = scene.state.page != Page::table ? other : scene.saved.empty() ? table : saved;
    Line& line = canvas.line();
    for (const auto& [key, what] : keys) {
        const std::string text = std::string(key) + " " + what;
        if (line.width() + text.size() + 2 > canvas.columns) break;
        line.add(line.width() ? "  " : "").add(key, Style::key).add(std::string(" ") + what);
    }
}

}  // namespace

void draw_footer(Canvas& canvas, const Scene& scene) {
    const State& state = scene.state;
    if (state.prompt != Prompt::none) return draw_prompt(canvas, state);
    if (!state.message.empty()) {
        canvas.line().add(printable(state.message), state.is_failure ? Style::loss : Style::mark).cut_to(canvas.columns);
    } else if (!scene.over.empty()) {
        canvas.line()
            .add(printable(scene.over) + ": this is its last state", Style::mark)
            .add(". q quits and prints the final report")
            .cut_to(canvas.columns);
    } else {
        draw_keys(canvas, scene);
    }
}

Canvas draw(const Scene& scene, unsigned columns, unsigned rows, bool unicode, Facts& facts) {
    Canvas canvas{columns, rows, unicode, {}, {}};
    facts.heads.clear();
    facts.head_row = ~0U;
    constexpr unsigned least_rows = 6, least_columns = 20;
    if (rows < least_rows || columns < least_columns) {
        canvas.line().add("too small").cut_to(columns);
        return canvas;
    }
    constexpr unsigned rows_for_header = 12;
    if (rows >= rows_for_header) draw_header(canvas, scene);
    if (scene.state.page == Page::table || scene.state.page == Page::callers) draw_status(canvas, scene);
    const std::size_t lines = rows - 1 > canvas.lines.size() ? rows - 1 - canvas.lines.size() : 1;
    switch (scene.state.page) {
        case Page::table: draw_table(canvas, scene, lines, facts); break;
        case Page::callers: draw_callers(canvas, scene, lines, facts); break;
        case Page::checkpoints: draw_checkpoints(canvas, scene, lines, facts); break;
        case Page::losses: draw_losses(canvas, scene, lines, facts); break;
        case Page::help: draw_help(canvas, scene, lines, facts); break;
    }
    while (canvas.lines.size() + 1 < rows) canvas.line();
    draw_footer(canvas, scene);
    return canvas;
}

}  // namespace memtrace::cli::screen
