// The rows, and their columns at this width.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "format/text.hpp"
#include "row_text.hpp"
#include "screen/layout.hpp"
#include "screen/scene.hpp"
#include "terminal.hpp"
#include "totals.hpp"

namespace memtrace::cli::screen {
namespace {

constexpr double large_share = 0.2, medium_share = 0.05;

Style style_of_share(double share) { return share >= large_share ? Style::large : share >= medium_share ? Style::medium : Style::normal; }

std::string bar(double share, std::size_t columns, bool unicode) {
    static constexpr std::array<const char*, 8> parts{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const double length = std::clamp(share, 0.0, 1.0) * static_cast<double>(columns);
    std::string text;
    for (std::size_t i = 0; i < static_cast<std::size_t>(length); ++i) text += unicode ? "█" : "#";
    if (unicode) return text + parts[static_cast<std::size_t>((length - std::floor(length)) * 8)];
    return text + (length - std::floor(length) >= 0.5 ? "-" : "");
}

class Rows {
public:
    Rows(Canvas& canvas, const Scene& scene) : canvas_(canvas), scene_(scene) {
        LayoutWants wants{canvas.columns, scene.table.size(), scene.state.view.by, scene.now.has_blocks, scene.options.columns};
        fields_ = layout(wants);
        // A block counts several times there.
        const std::uint64_t all = scene.state.view.cumulative ? totals_of(scene.now).traced_bytes : scene.table.all_bytes();
        all_bytes_ = static_cast<double>(std::max<std::uint64_t>(all, 1));
        where_.filename_parts = scene.options.filename_parts.value_or(where_.filename_parts);
        where_.function = scene.options.columns.empty() || scene.options.shows(Column::function);
        where_.domain = scene.options.columns.empty() &&
                        std::none_of(fields_.begin(), fields_.end(), [](const Placed& placed) { return placed.field == Field::domain; });
    }

    void heads(Facts& facts) {
        facts.head_row = static_cast<unsigned>(canvas_.lines.size());
        facts.heads.clear();
        Line& line = canvas_.line();
        for (const Placed& placed : fields_) {
            const std::optional<SortBy> sort = sort_of(placed.field);
            const bool sorted = sort && *sort == scene_.state.sort;
            std::string text = head_of(placed.field);
            if (sorted) text += scene_.state.reversed ? (canvas_.unicode ? "▲" : "^") : (canvas_.unicode ? "▼" : "v");
            const bool left = placed.field == Field::where || placed.field == Field::domain || placed.field == Field::trend ||
                              placed.field == Field::share;
            text = keep_left(text, placed.width, canvas_.unicode);
            const std::size_t padding = left ? 0 : placed.width - display_width(text);
            line.pad_to(placed.from, Style::head).pad_to(placed.from + padding, Style::head);
            line.add(text, sorted ? Style::head_sorted : Style::head);
            if (sort) facts.heads.push_back({placed.from, placed.from + placed.width + 1, *sort});
        }
        line.pad_to(canvas_.columns, Style::head).cut_to(canvas_.columns);
    }

    void row(std::size_t index) {
        const StatisticDiff row = scene_.table.row(index);
        Line& line = canvas_.line();
        for (const Placed& placed : fields_) {
            line.pad_to(placed.from);
            field(line, placed, index, row);
        }
        line.pad_to(canvas_.columns).cut_to(canvas_.columns);
        if (index == scene_.state.table.index) line.select();
    }

private:
    void right(Line& line, const Placed& placed, const std::string& text, Style style = Style::normal) {
        const std::size_t width = display_width(text);
        line.pad_to(placed.from + (width < placed.width ? placed.width - width : 0)).add(text, style);
    }

    void field(Line& line, const Placed& placed, std::size_t index, const StatisticDiff& row) {
        const Statistic& now = row.now;
        const double share = static_cast<double>(now.size_bytes) / all_bytes_;
        switch (placed.field) {
            case Field::rank: return right(line, placed, std::to_string(index + 1));
            case Field::size: return right(line, placed, format_size(now.size_bytes), style_of_share(share));
            case Field::change:
                if (!scene_.table.base()) return;
                return right(line, placed, format_size_diff(row.size_diff_bytes),
                             row.size_diff_bytes > 0   ? Style::grows
                             : row.size_diff_bytes < 0 ? Style::shrinks
                                                       : Style::normal);
            case Field::share: {
                constexpr std::size_t percent = 5;
                line.add(bar(share, placed.width - percent, canvas_.unicode), style_of_share(share));
                return right(line, placed, fmt::format("{:.{}f}%", share * 100, share < 0.0995 ? 1 : 0));
            }
            case Field::count: return right(line, placed, grouped(now.count));
            case Field::average: return right(line, placed, now.count ? format_size(now.size_bytes / now.count) : "");
            case Field::rate: {
                const std::optional<double> rate = scene_.table.rate(index);
                return right(line, placed, rate ? format_size_diff(static_cast<std::int64_t>(*rate)) + "/s" : "");
            }
            case Field::age: return right(line, placed, now.oldest ? format_duration(*now.oldest) : "");
            case Field::allocated: return right(line, placed, format_size(now.counters.allocated_bytes));
            case Field::freed: return right(line, placed, format_size(now.counters.freed_bytes));
            case Field::trend: line.add(sparkline(scene_.rows.of(scene_.table.hash(index)), canvas_.unicode), Style::spark); return;
            case Field::rss: return right(line, placed, now.process() ? format_size(now.process()->rss_bytes) : "");
            case Field::peak: return right(line, placed, now.process() ? format_size(now.process()->traced_peak_bytes) : "");
            case Field::domain: line.add(keep_left(printable(now.domains), placed.width, canvas_.unicode)); return;
            case Field::where: line.add(where(now, placed.width)); return;
        }
    }

    // By traceback: the newest frame, then its callers as far as there is room.
    std::string where(const Statistic& row, std::size_t room) {
        if (room == 0) return {};
        if (row.by != GroupBy::traceback) return where_of(row, room, canvas_.unicode, where_);
        // Many short names tell more of a traceback than one long one.
        WhereOptions options = where_;
        options.filename_parts = 1;
        const Stack stack = row.stack();
        options.function = stack.size() == 1;
        options.domain = false;
        const std::string between = canvas_.unicode ? " ← " : " < ";
        std::string text = where_of(row_of_frame(row, stack[0]), room, canvas_.unicode, options);
        for (std::size_t i = 1; i < stack.size(); ++i) {
            const std::size_t used = display_width(text) + 3;
            constexpr std::size_t least = 12;
            if (used + least > room) break;
            text += between + where_of(row_of_frame(row, stack[i]), room - used, canvas_.unicode, options);
        }
        return text;
    }

    Canvas& canvas_;
    const Scene& scene_;
    std::vector<Placed> fields_;
    WhereOptions where_;
    double all_bytes_ = 1;
};

}  // namespace

void draw_table(Canvas& canvas, const Scene& scene, std::size_t lines, Facts& facts) {
    Rows rows(canvas, scene);
    rows.heads(facts);
    facts.first_row = static_cast<unsigned>(canvas.lines.size());
    facts.page_lines = lines > 1 ? lines - 1 : 1;
    facts.lines = scene.table.size();
    if (const std::optional<Error>& problem = scene.table.problem()) {
        canvas.line().add("  " + problem->what + (problem->hint.empty() ? "" : ": " + problem->hint), Style::strong).cut_to(canvas.columns);
        return;
    }
    if (scene.table.size() == 0) {
        const bool narrowed = !scene.state.filter.empty() || !scene.state.view.filters.empty() || scene.state.view.blocks.any();
        canvas.line()
            .add(narrowed ? "  nothing of what is shown is live that was allocated since tracing began"
                          : "  nothing is live that was allocated since tracing began")
            .cut_to(canvas.columns);
        return;
    }
    const std::size_t end = std::min(scene.table.size(), scene.state.table.top + facts.page_lines);
    for (std::size_t i = scene.state.table.top; i < end; ++i) rows.row(i);
}

}  // namespace memtrace::cli::screen
