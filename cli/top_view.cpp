#include "top_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "format/text.hpp"
#include "losses_view.hpp"
#include "model/statistics.hpp"

namespace memtrace::cli {
namespace {

constexpr unsigned path_parts = 3;

// How much of a row is told besides its numbers.
struct WhereOptions {
    unsigned filename_parts = path_parts;
    bool function = true, domain = true;
};

std::string place_text(const Statistic& row, const WhereOptions& options) {
    // Without a line the symbol is the place.
    if (!row.place.by_function) return printable(format_place(row, options.filename_parts));
    return printable(last_path_parts(row.place.file, options.filename_parts)) + "  " + printable(row.place.function);
}

// The place always shows, its right end first; the domain where there is room for it, the function in what is left.
std::string where_of(const Statistic& row, std::size_t columns, bool unicode, const WhereOptions& options) {
    const std::string place = place_text(row, options);
    std::string function = row.place.by_function || row.function.empty() || !options.function ? "" : "  " + printable(row.function);
    std::string domains = options.domain && row.by != GroupBy::domain ? "  " + row.domains : "";
    if (columns == 0) return place + function + domains;
    std::string text = keep_right(place, columns, unicode);
    std::size_t room = columns - display_width(text);
    if (display_width(domains) > room) domains.clear();
    room -= display_width(domains);
    constexpr std::size_t least_function = 6;
    if (display_width(function) > room) function = room >= least_function ? keep_left(function, room, unicode) : "";
    return text + function + domains;
}

// A row for one frame of a traceback.
Statistic row_of_frame(const Statistic& row, FrameId frame) {
    Statistic of_frame = row;
    of_frame.by = GroupBy::line;
    of_frame.place = place_of(*row.snapshot, frame, GroupBy::line);
    of_frame.function = row.snapshot->text(row.snapshot->frame(frame).function);
    return of_frame;
}

constexpr std::array default_columns{Column::size, Column::count, Column::average};

class TopText {
public:
    TopText(const Snapshot& now, const std::optional<Snapshot>& before, const TopOptions& options, const Terminal& terminal)
        : now_(now), before_(before), options_(options), terminal_(terminal) {
        bar_ = terminal.unicode ? " │ " : " | ";
        dot_ = terminal.unicode ? " · " : " - ";
        about_ = terminal.unicode ? "≈" : "~";
    }

    std::string render() {
        header();
        if (const std::string shown = description(options_.view, dot_); !shown.empty()) line("shown: " + shown);
        text_ += render_losses(now_, terminal_);
        for (const std::string& note : now_.notes) line("note: " + printable(note));
        text_ += '\n';
        table();
        return std::move(text_);
    }

private:
    void line(const std::string& content) {
        text_ += terminal_.columns ? keep_left(content, terminal_.columns, terminal_.unicode) : content;
        text_ += '\n';
    }

    std::string painted(const std::string& content, const char* code) const {
        return terminal_.colour ? fmt::format("\033[{}m{}\033[0m", code, content) : content;
    }

    void header() {
        const Process& process = now_.processes.front();
        const std::string who = fmt::format("memtrace-bpf {}{}pid {}{} ", now_.tool_version, dot_, process.pid, and_children());
        const std::string since = fmt::format("{}traced {}{}every {:g} s", dot_, format_duration(now_.traced_for), dot_, options_.interval_s);
        std::string command = printable(process.command);
        const std::size_t taken = display_width(who) + display_width(since);
        if (terminal_.columns) command = keep_left(command, terminal_.columns > taken ? terminal_.columns - taken : 0, terminal_.unicode);
        line(who + command + since);
        const Sums sums = sums_of(now_);
        std::string growth, rates;
        double seconds = std::chrono::duration<double>(now_.traced_for).count();
        std::uint64_t events = now_.events;
        if (before_) {
            seconds = std::max(1e-3, seconds - std::chrono::duration<double>(before_->traced_for).count());
            events -= before_->events;
            const auto change = static_cast<std::int64_t>(sums.traced_bytes - sums_of(*before_).traced_bytes);
            const Counters recent = sums.counters.since(sums_of(*before_).counters);
            rates = fmt::format("{}allocs {}/s, {}{}frees {}/s", bar_, short_count(static_cast<double>(recent.allocated_blocks) / seconds),
                                format_byte_rate(recent.allocated_bytes, interval()), bar_,
                                short_count(static_cast<double>(recent.freed_blocks) / seconds));
            growth = bar_ + (change < 0 ? "shrinks " : "grows ") +
                     format_size(static_cast<std::uint64_t>(std::abs(static_cast<double>(change)) / seconds)) + "/s";
        }
        const bool several = now_.processes.size() > 1;
        const Process& highest = *std::max_element(now_.processes.begin(), now_.processes.end(),
                                                   [](const Process& a, const Process& b) { return a.traced_peak_bytes < b.traced_peak_bytes; });
        line(fmt::format("RSS {}{}live {} in {} blocks{}{}peak {}{}{}", format_size(sums.rss_bytes), bar_, format_size(sums.traced_bytes),
                         grouped(sums.blocks), bar_, several ? "highest " : "", format_size(highest.traced_peak_bytes),
                         several ? fmt::format(" (pid {})", highest.pid) : "", growth));
        line(fmt::format("{} events/s, tracing {} {:.1f} % of a core{}", short_count(static_cast<double>(events) / std::max(1e-3, seconds)), about_,
                         cost() * 100, rates));
    }

    struct Sums {
        std::uint64_t rss_bytes = 0, traced_bytes = 0, blocks = 0;
        Counters counters;  ///< Of all sites, whoever runs on.
    };

    static Sums sums_of(const Snapshot& snapshot) {
        const std::vector<bool> counts = snapshot.processes_that_count();
        Sums sums;
        for (std::size_t i = 0; i < counts.size(); ++i) {
            if (!counts[i]) continue;
            sums.rss_bytes += snapshot.processes[i].rss_bytes;
            sums.traced_bytes += snapshot.processes[i].traced_bytes;
        }
        for (const Site& site : snapshot.sites) {
            sums.counters += site.counters;
            if (site.process >= counts.size() || counts[site.process]) sums.blocks += site.counters.live_blocks();
        }
        return sums;
    }

    std::string and_children() const {
        if (now_.processes.size() < 2) return {};
        const std::size_t children = now_.processes.size() - 1;
        const auto ended = std::count_if(now_.processes.begin() + 1, now_.processes.end(), [](const Process& process) { return process.ended; });
        return fmt::format(" and {} {}{}", children, children == 1 ? "child" : "children", ended ? fmt::format(" ({} ended)", ended) : "");
    }

    // Over the last interval where there is one: what it costs now, not on average.
    double cost() const {
        if (!before_) return now_.tracing_cost;
        const double seconds = std::chrono::duration<double>(now_.traced_for).count();
        const double earlier = std::chrono::duration<double>(before_->traced_for).count();
        return std::max(0.0, now_.tracing_cost * seconds - before_->tracing_cost * earlier) / std::max(1e-3, seconds - earlier);
    }

    // Those of now with their changes, largest first; with --sort diff also those that are gone.
    std::vector<StatisticDiff> rows() const {
        const Order order = options_.view.order.value_or(Order::size);
        std::vector<StatisticDiff> rows;
        if (before_) {
            rows = compare(*before_, now_, options_.view);
            if (order != Order::diff) std::erase_if(rows, [](const StatisticDiff& row) { return row.now.count == 0; });
        } else {
            for (Statistic& row : statistics(now_, options_.view)) rows.push_back({std::move(row), 0, 0});
        }
        sort(rows, order);
        return rows;
    }

    void table() {
        if (const Result<void> sense = check(options_.view, now_); !sense) {
            line("      " + sense.error().what + (sense.error().hint.empty() ? "" : ": " + sense.error().hint));
            return;
        }
        const std::vector<StatisticDiff> all = rows();
        text_ += painted(fmt::format("{:>4}  {}WHERE", "#", headings()), "1") + '\n';
        std::uint64_t shown = 0, shown_bytes = 0, all_bytes = 0;
        for (const StatisticDiff& row : all) {
            all_bytes += row.now.size_bytes;
            if (shown == options_.rows) continue;
            ++shown;
            shown_bytes += row.now.size_bytes;
            row_line(shown, row);
        }
        if (all.size() > shown)
            text_ += fmt::format("      {:>10}  in {} other {}\n", format_size(all_bytes - shown_bytes), grouped(all.size() - shown),
                                 options_.view.by == GroupBy::line ? "lines" : "rows");
        if (all.empty())
            text_ += fmt::format("      nothing {}is live that was allocated since tracing began\n", is_narrowed() ? "of what is shown " : "");
        for (const std::string& datum : format_user_data(now_, before_ ? &*before_ : nullptr)) line(printable(datum));
    }

    bool is_narrowed() const { return !options_.view.filters.empty() || options_.view.blocks.any(); }

    std::span<const Column> columns() const {
        if (options_.view.columns.empty()) return default_columns;
        return options_.view.columns;
    }

    std::string headings() const {
        std::string text;
        for (const Column column : columns()) {
            switch (column) {
                case Column::size: text += fmt::format("{:>10}  {:>11}  ", "SIZE", before_ ? "CHANGE" : ""); break;
                case Column::count: text += fmt::format("{:>11}  ", "COUNT"); break;
                case Column::average: text += fmt::format("{:>10}  ", "AVERAGE"); break;
                case Column::allocated: text += fmt::format("{:>10}  ", "ALLOCATED"); break;
                case Column::freed: text += fmt::format("{:>10}  ", "FREED"); break;
                case Column::rate: text += fmt::format("{:>13}  ", "RATE"); break;
                case Column::age: text += fmt::format("{:>12}  ", "OLDEST"); break;
                case Column::temporary: text += fmt::format("{:>11}  ", "TEMPORARY"); break;
                case Column::alloc_rate: text += fmt::format("{:>10}  ", "ALLOCS"); break;
                case Column::free_rate: text += fmt::format("{:>10}  ", "FREES"); break;
                case Column::byte_rate: text += fmt::format("{:>13}  ", "BYTES"); break;
                case Column::domain:
                case Column::function: break;  // behind the place
            }
        }
        return text;
    }

    std::chrono::nanoseconds interval() const { return before_ ? now_.traced_for - before_->traced_for : now_.traced_for; }

    const Counters& since_of(const StatisticDiff& row) const { return before_ ? row.since : row.now.counters; }

    std::string rate_of(const StatisticDiff& row) const {
        const std::chrono::nanoseconds time = interval();
        if (time.count() <= 0) return "";
        const auto bytes = static_cast<double>(before_ ? row.size_diff_bytes : static_cast<std::int64_t>(row.now.size_bytes));
        return format_size_diff(static_cast<std::int64_t>(bytes / std::chrono::duration<double>(time).count())) + "/s";
    }

    std::string cell(Column column, const StatisticDiff& row) const {
        const Statistic& now = row.now;
        switch (column) {
            case Column::size: {
                const std::string change = before_ ? format_size_diff(row.size_diff_bytes) : "";
                const std::string padding(change.size() < 11 ? 11 - change.size() : 0, ' ');
                const char* colour = row.size_diff_bytes > 0 ? "33" : "32";
                return fmt::format("{:>10}  ", format_size(now.size_bytes)) + padding +
                       (before_ && row.size_diff_bytes != 0 ? painted(change, colour) : change) + "  ";
            }
            case Column::count: return fmt::format("{:>11}  ", grouped(now.count));
            case Column::average: return fmt::format("{:>10}  ", format_size(now.size_bytes / std::max<std::uint64_t>(now.count, 1)));
            case Column::allocated: return fmt::format("{:>10}  ", format_size(now.counters.allocated_bytes));
            case Column::freed: return fmt::format("{:>10}  ", format_size(now.counters.freed_bytes));
            case Column::rate: return fmt::format("{:>13}  ", rate_of(row));
            case Column::age: return fmt::format("{:>12}  ", now.oldest ? format_duration(*now.oldest) : "");
            case Column::temporary: return fmt::format("{:>11}  ", now.temporaries_known ? grouped(now.counters.temporary_blocks) : "not counted");
            case Column::alloc_rate: return fmt::format("{:>10}  ", format_rate(since_of(row).allocated_blocks, interval()));
            case Column::free_rate: return fmt::format("{:>10}  ", format_rate(since_of(row).freed_blocks, interval()));
            case Column::byte_rate: return fmt::format("{:>13}  ", format_byte_rate(since_of(row).allocated_bytes, interval()));
            case Column::domain:
            case Column::function: break;
        }
        return {};
    }

    void row_line(std::uint64_t rank, const StatisticDiff& row) {
        const std::string number = fmt::format("{:>4}  ", rank);
        std::size_t used = number.size() + headings().size();
        text_ += number;
        for (const Column column : columns()) text_ += cell(column, row);
        WhereOptions options;
        options.filename_parts = options_.view.filename_parts.value_or(path_parts);
        if (!options_.view.columns.empty()) {
            options.function = options_.view.shows(Column::function);
            options.domain = options_.view.shows(Column::domain);
        }
        constexpr std::size_t least_place = 10;
        const std::size_t room = !terminal_.columns ? 0 : terminal_.columns > used + least_place ? terminal_.columns - used : least_place;
        if (row.now.by != GroupBy::traceback) {
            text_ += where_of(row.now, room, terminal_.unicode, options) + '\n';
            return;
        }
        // The newest frame is the row's, its callers stand below.
        const Stack stack = row.now.stack();
        for (std::size_t i = 0; i < stack.size(); ++i) {
            if (i == 1) options.domain = false;
            text_ += (i ? std::string(used, ' ') : "") + where_of(row_of_frame(row.now, stack[i]), room, terminal_.unicode, options) + '\n';
        }
    }

    const Snapshot& now_;
    const std::optional<Snapshot>& before_;
    const TopOptions& options_;
    const Terminal& terminal_;
    std::string bar_, dot_, about_;
    std::string text_;
};

}  // namespace

std::string render_top(const Snapshot& now, const std::optional<Snapshot>& before, const TopOptions& options, const Terminal& terminal) {
    return TopText(now, before, options, terminal).render();
}

}  // namespace memtrace::cli
