#include "top_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "format/text.hpp"
#include "losses_view.hpp"
#include "model/statistics.hpp"
#include "row_text.hpp"
#include "totals.hpp"

namespace memtrace::cli {
namespace {

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
        const std::string who = fmt::format("memtrace-bpf {}{}pid {}{} ", now_.tool_version, dot_, process_name(process), and_children());
        const std::string since = fmt::format("{}traced {}{}every {:g} s", dot_, format_duration(now_.traced_for), dot_, options_.interval_s);
        std::string command = printable(process.command);
        const std::size_t taken = display_width(who) + display_width(since);
        if (terminal_.columns) command = keep_left(command, terminal_.columns > taken ? terminal_.columns - taken : 0, terminal_.unicode);
        line(who + command + since);
        const Totals sums = totals_of(now_);
        std::string growth, rates;
        double seconds = std::chrono::duration<double>(now_.traced_for).count();
        std::uint64_t events = now_.events;
        if (before_) {
            seconds = std::max(1e-3, seconds - std::chrono::duration<double>(before_->traced_for).count());
            events -= before_->events;
            const auto change = static_cast<std::int64_t>(sums.traced_bytes - totals_of(*before_).traced_bytes);
            const Counters recent = sums.counters.since(totals_of(*before_).counters);
            rates = fmt::format("{}allocs {}/s, {}{}frees {}/s", bar_, short_count(static_cast<double>(recent.allocated_blocks) / seconds),
                                format_byte_rate(recent.allocated_bytes, interval()), bar_,
                                short_count(static_cast<double>(recent.freed_blocks) / seconds));
            growth = bar_ + (change < 0 ? "shrinks " : "grows ") +
                     format_size(static_cast<std::uint64_t>(std::abs(static_cast<double>(change)) / seconds)) + "/s";
        }
        const bool several = now_.processes.size() > 1;
        const Process& highest = highest_peak(now_);
        line(fmt::format("RSS {}{}live {} in {} blocks{}{}peak {}{}{}", format_size(sums.rss_bytes), bar_, format_size(sums.traced_bytes),
                         grouped(sums.blocks), bar_, several ? "highest " : "", format_size(highest.traced_peak_bytes),
                         several ? fmt::format(" (pid {})", highest.pid) : "", growth));
        line(fmt::format("{} events/s, tracing {} {:.1f} % of a core{}", short_count(static_cast<double>(events) / std::max(1e-3, seconds)), about_,
                         recent_cost(now_, before_ ? &*before_ : nullptr) * 100, rates));
    }

    // As the user gave it, and what the process itself believes to be.
    static std::string process_name(const Process& process) {
        const bool differs = process.namespace_pid != 0 && process.namespace_pid != process.pid;
        return differs ? fmt::format("{} ({} in its namespace)", process.pid, process.namespace_pid) : std::to_string(process.pid);
    }

    std::string and_children() const {
        if (now_.processes.size() < 2) return {};
        const std::size_t children = now_.processes.size() - 1;
        const auto ended = std::count_if(now_.processes.begin() + 1, now_.processes.end(), [](const Process& process) { return process.ended; });
        return fmt::format(" and {} {}{}", children, children == 1 ? "child" : "children", ended ? fmt::format(" ({} ended)", ended) : "");
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
        options.filename_parts = options_.view.filename_parts.value_or(WhereOptions().filename_parts);
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
