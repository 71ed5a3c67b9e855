// What else fills the screen: the callers of a row with their source, checkpoints to compare with, losses and notes.
#include <fmt/format.h>

#include <algorithm>

#include "format/text.hpp"
#include "row_text.hpp"
#include "screen/scene.hpp"
#include "terminal.hpp"

namespace memtrace::cli::screen {
namespace {

void head(Canvas& canvas, const std::string& text) {
    canvas.line().add(keep_left(text, canvas.columns, canvas.unicode), Style::head).pad_to(canvas.columns, Style::head);
}

void draw_caller(Canvas& canvas, const Scene& scene, std::size_t index) {
    const CallerLine& caller = scene.callers->lines[index];
    const double share = static_cast<double>(caller.bytes) / static_cast<double>(std::max<std::uint64_t>(scene.callers->bytes, 1));
    Line& line = canvas.line();
    line.add(fmt::format("{:>10} {:>4.0f}% ", format_size(caller.bytes), share * 100));
    if (canvas.columns >= 100) line.add(fmt::format("{:>11} ", grouped(caller.count)));
    // Deep trees: the place shows, whatever its depth.
    const std::size_t room = canvas.columns > line.width() ? canvas.columns - line.width() : 0;
    line.add(keep_right(caller.branch, room / 2, canvas.unicode));
    const unsigned parts = scene.options.filename_parts.value_or(WhereOptions().filename_parts);
    std::string place = printable(last_path_parts(caller.place.file, parts));
    if (!caller.place.by_function) place += fmt::format(":{}", caller.place.line);
    const std::size_t left = canvas.columns > line.width() ? canvas.columns - line.width() : 0;
    line.add(keep_right(place, left, canvas.unicode));
    if (!caller.function.empty()) line.add("  ").add(printable(caller.function), Style::strong);
    if (caller.cut) line.add(canvas.unicode ? "  …" : "  ...");
    line.cut_to(canvas.columns);
    if (index == scene.state.callers.index) line.pad_to(canvas.columns).select();
}

std::string untabbed(std::string_view text) {
    std::string plain;
    for (const char c : text) {
        if (c == '\t')
            plain.append(4 - plain.size() % 4, ' ');
        else
            plain += c;
    }
    return plain;
}

const Process* only_process(const Callers& callers) {
    const Snapshot& snapshot = *callers.snapshot;
    for (const Site& site : snapshot.sites)
        if (site.process < snapshot.processes.size()) return &snapshot.processes[site.process];
    return nullptr;
}

void draw_source(Canvas& canvas, const Scene& scene, std::size_t lines) {
    const Callers& callers = *scene.callers;
    if (lines == 0) return;
    const CallerLine* caller = callers.lines.empty() ? nullptr : &callers.lines[std::min(scene.state.callers.index, callers.lines.size() - 1)];
    if (!caller) return;
    const std::string place = printable(caller->place.file) + (caller->place.line ? fmt::format(":{}", caller->place.line) : "");
    head(canvas, " " + keep_right(place, canvas.columns - 1, canvas.unicode));
    if (lines < 2) return;
    SourceExcerpt excerpt;
    if (caller->place.line == 0)
        excerpt.problem = "no line is known of this place";
    else
        excerpt = scene.source(only_process(callers), caller->place.file, caller->place.line, static_cast<unsigned>((lines - 2) / 2));
    if (!excerpt.problem.empty()) {
        canvas.line().add("  no source: " + printable(excerpt.problem)).cut_to(canvas.columns);
        return;
    }
    for (std::size_t i = 0; i < excerpt.lines.size() && i + 1 < lines; ++i) {
        const std::uint32_t number = excerpt.first + static_cast<std::uint32_t>(i);
        const bool here = number == caller->place.line;
        const Style style = here ? Style::strong : Style::normal;
        canvas.line()
            .add(fmt::format("{} {:>5} ", here ? (canvas.unicode ? "▶" : ">") : " ", number), here ? Style::mark : Style::normal)
            .add(canvas.unicode ? "│ " : "| ")
            .add(printable(untabbed(excerpt.lines[i])), style)
            .cut_to(canvas.columns);
    }
}

// Words of a text in lines of a width.
std::vector<std::string> wrapped(const std::string& text, std::size_t columns) {
    std::vector<std::string> lines(1);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find(' ', at), text.size());
        const std::string word = text.substr(at, end - at);
        if (!lines.back().empty() && display_width(lines.back()) + 1 + display_width(word) > columns) lines.emplace_back();
        lines.back() += (lines.back().empty() ? "" : " ") + word;
        at = end + 1;
    }
    return lines;
}

struct TextLine {
    std::string text;
    Style style = Style::normal;
};

void draw_text(Canvas& canvas, const State& state, const std::vector<TextLine>& text, std::size_t lines, Facts& facts) {
    facts.first_row = static_cast<unsigned>(canvas.lines.size());
    facts.page_lines = std::max<std::size_t>(lines, 1);
    facts.lines = text.size();
    const std::size_t top = std::min(state.text.top, text.size() > lines ? text.size() - lines : 0);
    for (std::size_t i = top; i < std::min(text.size(), top + lines); ++i) canvas.line().add(text[i].text, text[i].style).cut_to(canvas.columns);
}

}  // namespace

void draw_callers(Canvas& canvas, const Scene& scene, std::size_t lines, Facts& facts) {
    const Callers& callers = *scene.callers;
    const char* dot = canvas.unicode ? " · " : " - ";
    std::string title = fmt::format(" SIZE and share of callers{}{} in {} blocks{}{} traceback{}", dot, format_size(callers.bytes),
                                    grouped(callers.count), dot, callers.tracebacks, callers.tracebacks == 1 ? "" : "s");
    if (callers.more) title += fmt::format("{}not all callers are shown", dot);
    if (scene.now.frame_limit == 1) title += fmt::format("{}one frame is kept: trace with --frames 16 to see callers", dot);
    head(canvas, title);
    const std::size_t rest = lines > 1 ? lines - 1 : 0;
    const std::size_t wanted = std::max<std::size_t>(callers.lines.size(), 1);
    const std::size_t source =
        rest < 6 ? 0 : std::max<std::size_t>(std::min<std::size_t>(rest / 2, 12), rest > wanted ? std::min<std::size_t>(rest - wanted, 16) : 0);
    facts.first_row = static_cast<unsigned>(canvas.lines.size());
    facts.page_lines = std::max<std::size_t>(rest - source, 1);
    facts.lines = callers.lines.size();
    if (callers.lines.empty()) canvas.line().add("  nothing of it is live any more");
    const std::size_t end = std::min(callers.lines.size(), scene.state.callers.top + facts.page_lines);
    for (std::size_t i = scene.state.callers.top; i < end; ++i) draw_caller(canvas, scene, i);
    while (canvas.lines.size() < facts.first_row + facts.page_lines) canvas.line();
    draw_source(canvas, scene, source);
}

void draw_checkpoints(Canvas& canvas, const Scene& scene, std::size_t lines, Facts& facts) {
    head(canvas, fmt::format("{:>4} {:<9} {:>10} {:>11}  {}", "#", "TIME", "SIZE", "BLOCKS", "CHECKPOINT: Enter shows what changed since"));
    facts.first_row = static_cast<unsigned>(canvas.lines.size());
    facts.page_lines = lines > 1 ? lines - 1 : 1;
    facts.lines = scene.checkpoints.size();
    if (scene.checkpoints.empty()) canvas.line().add("  there is no checkpoint yet: Esc, then m takes one").cut_to(canvas.columns);
    const std::size_t end = std::min(facts.lines, scene.state.list.top + facts.page_lines);
    for (std::size_t i = scene.state.list.top; i < end; ++i) {
        const CheckpointLine& checkpoint = scene.checkpoints[i];
        Line& line = canvas.line();
        line.add(fmt::format("{:>4} {:<9} {:>10} {:>11}  {}", i + 1, checkpoint.time, format_size(checkpoint.bytes), grouped(checkpoint.blocks),
                             printable(checkpoint.name)));
        line.cut_to(canvas.columns).pad_to(canvas.columns);
        if (i == scene.state.list.index) line.select();
    }
}

void draw_losses(Canvas& canvas, const Scene& scene, std::size_t lines, Facts& facts) {
    head(canvas, " What is missing from the numbers, and what they cannot tell");
    std::vector<TextLine> text;
    for (const bool lost : {true, false}) {
        text.push_back({lost ? "Lost: blocks are missing from the numbers" : "Doubts: the numbers are there, with this reservation", Style::strong});
        for (const Loss& loss : scene.now.losses)
            if (loss.lost == lost)
                text.push_back(
                    {fmt::format("{:>13}  {}", grouped(loss.count), printable(loss.cause)), lost && loss.count ? Style::loss : Style::normal});
    }
    if (!scene.now.notes.empty()) text.push_back({"Notes", Style::strong});
    for (const std::string& note : scene.now.notes) {
        bool first = true;
        for (const std::string& line : wrapped(printable(note), canvas.columns > 4 ? canvas.columns - 4 : 1)) {
            text.push_back({(first ? "  - " : "    ") + line});
            first = false;
        }
    }
    draw_text(canvas, scene.state, text, lines > 1 ? lines - 1 : 0, facts);
}

void draw_help(Canvas& canvas, const Scene& scene, std::size_t lines, Facts& facts) {
    head(canvas, " Keys");
    static const std::vector<TextLine> text{
        {"Look", Style::strong},
        {"  Up Down PgUp PgDn Home End    move; j k too. The selected row stays selected when ranks change"},
        {"  Enter                         callers of the row as a tree, with its source; by process: only this one"},
        {"  Esc, Backspace                back"},
        {"  /                             filter by file, line, function or domain as you type; Esc ends it"},
        {"  Space                         freeze the display; tracing goes on"},
        {"  + -                           refresh less or more often"},
        {"  i                             losses by cause, and notes"},
        {"Sort, largest first", Style::strong},
        {"  s g n v r o                   SIZE, CHANGE (growth), COUNT, AVERAGE, RATE, OLDEST"},
        {"  < >                           the column before or behind; a click on a head too"},
        {"  I                             the other way round"},
        {"Group", Style::strong},
        {"  l f F t                       by line, file, function, traceback"},
        {"  D T P                         by domain, thread, process"},
        {"  C                             a block counts for every frame of its stack, or for the newest"},
        {"Compare", Style::strong},
        {"  c                             CHANGE since the display before, or since the first"},
        {"  m                             take a checkpoint: asks for its name"},
        {"  d                             CHANGE since a checkpoint of a list"},
        {"Act", Style::strong},
        {"  w                             write a snapshot: asks for its file"},
        {"  R                             reset the peak to what is held now"},
        {"  X                             clear: forget all blocks, tracing goes on; asks"},
        {"  Left Right                    saved snapshots: the one before, the next"},
        {"  Ctrl-L                        paint the screen anew"},
        {"  Ctrl-Z                        suspend; fg comes back"},
        {"  q, F10                        quit"},
    };
    draw_text(canvas, scene.state, text, lines > 1 ? lines - 1 : 0, facts);
}

}  // namespace memtrace::cli::screen
