// The lines above the list: what is traced, what it holds in all, how far the numbers can be believed, how it came about.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "format/text.hpp"
#include "row_text.hpp"
#include "screen/scene.hpp"
#include "terminal.hpp"
#include "totals.hpp"

namespace memtrace::cli::screen {
namespace {

using std::chrono::nanoseconds;

const char* dot(const Canvas& canvas) { return canvas.unicode ? " · " : " - "; }

std::string who(const Canvas& canvas, const Snapshot& now) {
    if (now.processes.empty()) return "no process";
    std::string text = fmt::format("pid {}", now.processes.front().pid);
    if (now.processes.size() > 1) {
        const auto ended = std::count_if(now.processes.begin(), now.processes.end(), [](const Process& process) { return process.ended; });
        text += fmt::format(" and {} more{}", now.processes.size() - 1, ended ? fmt::format(" ({} ended)", ended) : "");
    }
    return text + dot(canvas) + printable(now.processes.front().command);
}

void title(Canvas& canvas, const Scene& scene) {
    std::string right;
    if (!scene.saved.empty())
        right = printable(scene.saved);
    else
        right = fmt::format("every {:g} s", scene.state.interval_s);
    right = "traced " + format_duration(scene.now.traced_for) + dot(canvas) + right;
    const std::string flag = !scene.over.empty() ? " ENDED " : scene.state.frozen ? " FROZEN " : "";
    const std::size_t behind = display_width(right) + flag.size() + (flag.empty() ? 0 : 1);
    Line& line = canvas.line();
    line.add("memtrace-bpf", Style::title).add(std::string(" ") + (scene.saved.empty() ? "" : "saved "));
    const std::size_t room = canvas.columns > line.width() + behind + 2 ? canvas.columns - line.width() - behind - 2 : 0;
    line.add(keep_left(who(canvas, scene.now), room, canvas.unicode), Style::strong);
    if (canvas.columns > behind) line.pad_to(canvas.columns - behind);
    line.add(right);
    if (!flag.empty()) line.add(" ").add(flag, Style::frozen);
    line.cut_to(canvas.columns);
}

void memory(Canvas& canvas, const Scene& scene, const Totals& totals) {
    Line& line = canvas.line();
    const char* between = dot(canvas);
    line.add("RSS ").add(format_size(totals.rss_bytes), Style::strong).add(between);
    line.add("traced ").add(format_size(totals.traced_bytes), Style::strong).add(between);
    if (!scene.now.processes.empty()) {
        const Process& highest = highest_peak(scene.now);
        const bool several = scene.now.processes.size() > 1;
        line.add(several ? "highest peak " : "peak ").add(format_size(highest.traced_peak_bytes), Style::strong);
        line.add(several ? fmt::format(" of pid {}", highest.pid) : "").add(between);
    }
    // More may be traced than is resident: pages that were never touched.
    if (totals.rss_bytes >= totals.traced_bytes)
        line.add("untracked ").add(format_size(totals.rss_bytes - totals.traced_bytes), Style::strong);
    else
        line.add("not resident ").add(format_size(totals.traced_bytes - totals.rss_bytes), Style::strong);
    line.cut_to(canvas.columns);
}

void add_losses(Line& line, const Snapshot& now, const char* between) {
    std::uint64_t lost = 0;
    for (const Loss& loss : now.losses)
        if (loss.lost) lost += loss.count;
    line.add("lost " + grouped(lost), lost ? Style::loss : Style::strong);
    for (const Loss& loss : now.losses)
        if (loss.lost && loss.count) line.add(between).add(printable(loss.cause) + " " + grouped(loss.count), Style::loss);
    for (const Loss& loss : now.losses)
        if (!loss.lost && loss.count) line.add(between).add(printable(loss.cause) + " " + grouped(loss.count));
    if (!now.notes.empty()) line.add(between).add(fmt::format("{} note{}: i", now.notes.size(), now.notes.size() == 1 ? "" : "s"), Style::key);
}

void activity(Canvas& canvas, const Scene& scene, const Totals& totals) {
    const char* between = dot(canvas);
    double seconds = std::chrono::duration<double>(scene.now.traced_for).count();
    std::uint64_t allocations = totals.counters.allocated_blocks, frees = totals.counters.freed_blocks;
    if (scene.before) {
        const Counters before = totals_of(*scene.before).counters;
        // Smaller than before: it was cleared in between, and these are those since.
        if (allocations >= before.allocated_blocks && frees >= before.freed_blocks) {
            allocations -= before.allocated_blocks;
            frees -= before.freed_blocks;
            seconds -= std::chrono::duration<double>(scene.before->traced_for).count();
        }
    }
    seconds = std::max(seconds, 1e-3);
    const bool wide = canvas.columns >= 100;
    Line& line = canvas.line();
    line.add(grouped(totals.blocks), Style::strong).add(" blocks").add(between);
    line.add(short_count(static_cast<double>(allocations) / seconds), Style::strong).add(wide ? " allocations/s" : " alloc/s").add(between);
    line.add(short_count(static_cast<double>(frees) / seconds), Style::strong).add(wide ? " frees/s" : " free/s").add(between);
    line.add(canvas.unicode ? "cost ≈ " : "cost ~ ");
    line.add(fmt::format("{:.1f} %", recent_cost(scene.now, scene.before) * 100), Style::strong).add(wide ? " of a core" : "").add(between);
    add_losses(line, scene.now, between);
    line.cut_to(canvas.columns);
}

// The least of some round times that holds all there is.
nanoseconds window(const History& history) {
    using namespace std::chrono_literals;
    const nanoseconds have = history.samples().back().time - history.samples().front().time;
    for (const nanoseconds time : {nanoseconds(30s), nanoseconds(1min), nanoseconds(2min), nanoseconds(5min)})
        if (have <= time) return time;
    return 10min;
}

// Names of marks below their moments, as far as they do not meet.
void marks(Canvas& canvas, const Scene& scene, std::size_t from, std::size_t columns, nanoseconds time) {
    const auto end = scene.history.samples().back().time;
    Line& line = canvas.line();
    for (const Mark& mark : scene.now.marks) {
        if (mark.time > end || end - mark.time >= time) continue;
        const auto back = static_cast<double>((end - mark.time).count()) / static_cast<double>(time.count()) * static_cast<double>(columns);
        const std::size_t at = from + columns - 1 - std::min(static_cast<std::size_t>(back), columns - 1);
        if (at < line.width() + (line.width() > 0 ? 1 : 0)) continue;
        line.pad_to(at).add((canvas.unicode ? "▲" : "^") + keep_left(printable(mark.name), 20, canvas.unicode), Style::mark);
    }
    line.cut_to(canvas.columns);
}

bool any_mark(const Scene& scene, nanoseconds time) {
    const auto end = scene.history.samples().back().time;
    return std::any_of(scene.now.marks.begin(), scene.now.marks.end(), [&](const Mark& mark) { return mark.time <= end && end - mark.time < time; });
}

void trend(Canvas& canvas, const Scene& scene) {
    const auto& samples = scene.history.samples();
    if (samples.empty()) return;
    const nanoseconds time = window(scene.history);
    const std::string label = scene.saved.empty()
                                  ? fmt::format("last {} ",
                                                time.count() % 60'000'000'000 ? "30 s" : fmt::format("{} min", time.count() / 60'000'000'000))
                                  : "files ";
    const auto end = samples.back().time;
    std::uint64_t least = samples.back().bytes, most = least;
    for (const History::Sample& sample : samples) {
        if (end - sample.time > time) continue;
        least = std::min(least, sample.bytes);
        most = std::max(most, sample.bytes);
    }
    const std::string range = "  " + format_size(least) + (canvas.unicode ? " … " : " .. ") + format_size(most);
    const std::size_t taken = label.size() + display_width(range);
    const std::size_t columns = canvas.columns > taken + 8 ? std::min<std::size_t>(canvas.columns - taken, 120) : 0;
    Line& line = canvas.line();
    line.add(label).add(sparkline(scene.history.columns(columns, time), canvas.unicode), Style::spark).add(range).cut_to(canvas.columns);
    if (columns && canvas.rows >= 20 && any_mark(scene, time)) marks(canvas, scene, label.size(), columns, time);
}

std::string what_is_shown(const Canvas& canvas, const Scene& scene) {
    ViewOptions view(scene.state.view);
    const std::string by = name_of(view.by);
    view.by = GroupBy::line;
    const std::string rest = description(view, dot(canvas));
    std::string text = "by " + by + (rest.empty() ? "" : dot(canvas) + rest);
    if (scene.state.scope) text += std::string(dot(canvas)) + "only " + scene.state.scope_name;
    return text;
}

}  // namespace

void draw_header(Canvas& canvas, const Scene& scene) {
    const Totals totals = totals_of(scene.now);
    title(canvas, scene);
    memory(canvas, scene, totals);
    activity(canvas, scene, totals);
    trend(canvas, scene);
}

void draw_status(Canvas& canvas, const Scene& scene) {
    const State& state = scene.state;
    const char* between = dot(canvas);
    Line& line = canvas.line();
    line.add(what_is_shown(canvas, scene)).add(between);
    line.add(fmt::format("sorted by {}{}", head_of(state.sort), state.reversed ? ", smallest first" : "")).add(between);
    if (scene.table.base())
        line.add("CHANGE since ")
            .add(state.base == Base::checkpoint ? printable(state.base_name)
                 : state.base == Base::first    ? "the first"
                                                : "the last")
            .add(between);
    const std::string rows = state.view.by == GroupBy::line ? "lines" : "rows";
    if (state.filter.empty())
        line.add(grouped(scene.table.all()) + " " + rows);
    else
        line.add(fmt::format("{} of {} {} with ", grouped(scene.table.size()), grouped(scene.table.all()), rows))
            .add("\"" + printable(state.filter) + "\"", Style::mark)
            .add(": " + format_size(scene.table.bytes()));
    line.cut_to(canvas.columns);
}

}  // namespace memtrace::cli::screen
