#include "top_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "format/text.hpp"
#include "model/statistics.hpp"

namespace memtrace::cli {
namespace {

constexpr std::size_t path_parts = 3;

// 1 204 511: digits in groups of three.
std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, " ");
    return digits;
}

std::string short_count(double number) {
    if (number >= 1e6) return fmt::format("{:.1f} M", number / 1e6);
    if (number >= 1e4) return fmt::format("{:.0f} k", number / 1e3);
    return grouped(static_cast<std::uint64_t>(number));
}

std::string duration_text(std::chrono::nanoseconds time) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
    if (seconds < 60) return fmt::format("{:.1f} s", std::chrono::duration<double>(time).count());
    if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
    return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

using Key = std::tuple<std::string, std::uint32_t, std::string>;
Key key_of(const Statistic& row) { return {std::string(row.place.file), row.place.line, std::string(row.place.function)}; }

// The place always shows, its right end first; the domain where there is room for it, the function in what is left.
std::string where_of(const Statistic& row, std::size_t columns, bool unicode) {
    const std::string file = printable(last_path_parts(row.place.file, path_parts));
    // Without a line the symbol is the place.
    const std::string place = row.place.by_function ? file + "  " + printable(row.function) : fmt::format("{}:{}", file, row.place.line);
    std::string function = row.place.by_function || row.function.empty() ? "" : "  " + printable(row.function);
    std::string domains = "  " + row.domains;
    if (columns == 0) return place + function + domains;
    std::string text = keep_right(place, columns, unicode);
    std::size_t room = columns - display_width(text);
    if (display_width(domains) > room) domains.clear();
    room -= display_width(domains);
    constexpr std::size_t least_function = 6;
    if (display_width(function) > room) function = room >= least_function ? keep_left(function, room, unicode) : "";
    return text + function + domains;
}

// "only raw, obj - without mem - native lines"; empty where all is as by default.
std::string description(const View& view, const std::string& between) {
    std::string only, without;
    for (const DomainFilter& filter : view.filters.domains) {
        std::string& names = filter.inclusive ? only : without;
        names += (names.empty() ? filter.inclusive ? "only " : "without " : ", ") + filter.domain;
    }
    std::string text;
    for (const std::string& part : {only, without, std::string(view.lines == Lines::native ? "native lines" : "")}) {
        text += (text.empty() || part.empty() ? "" : between) + part;
    }
    return text;
}

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
        losses();
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
        const std::string since = fmt::format("{}traced {}{}every {:g} s", dot_, duration_text(now_.traced_for), dot_, options_.interval_s);
        std::string command = printable(process.command);
        const std::size_t taken = display_width(who) + display_width(since);
        if (terminal_.columns) command = keep_left(command, terminal_.columns > taken ? terminal_.columns - taken : 0, terminal_.unicode);
        line(who + command + since);
        const Sums sums = sums_of(now_);
        std::string growth;
        double seconds = std::chrono::duration<double>(now_.traced_for).count();
        std::uint64_t events = now_.events;
        if (before_) {
            seconds = std::max(1e-3, seconds - std::chrono::duration<double>(before_->traced_for).count());
            events -= before_->events;
            const auto change = static_cast<std::int64_t>(sums.traced_bytes - sums_of(*before_).traced_bytes);
            growth = bar_ + (change < 0 ? "shrinks " : "grows ") +
                     format_size(static_cast<std::uint64_t>(std::abs(static_cast<double>(change)) / seconds)) + "/s";
        }
        const bool several = now_.processes.size() > 1;
        const Process& highest = *std::max_element(now_.processes.begin(), now_.processes.end(),
                                                   [](const Process& a, const Process& b) { return a.traced_peak_bytes < b.traced_peak_bytes; });
        line(fmt::format("RSS {}{}live {} in {} blocks{}{}peak {}{}{}", format_size(sums.rss_bytes), bar_, format_size(sums.traced_bytes),
                         grouped(sums.blocks), bar_, several ? "highest " : "", format_size(highest.traced_peak_bytes),
                         several ? fmt::format(" (pid {})", highest.pid) : "", growth));
        line(fmt::format("{} events/s, tracing {} {:.1f} % of a core", short_count(static_cast<double>(events) / std::max(1e-3, seconds)), about_,
                         cost() * 100));
    }

    struct Sums {
        std::uint64_t rss_bytes = 0, traced_bytes = 0, blocks = 0;
    };

    static Sums sums_of(const Snapshot& snapshot) {
        const std::vector<bool> counts = snapshot.processes_that_count();
        Sums sums;
        for (std::size_t i = 0; i < counts.size(); ++i) {
            if (!counts[i]) continue;
            sums.rss_bytes += snapshot.processes[i].rss_bytes;
            sums.traced_bytes += snapshot.processes[i].traced_bytes;
        }
        for (const Site& site : snapshot.sites)
            if (site.process >= counts.size() || counts[site.process]) sums.blocks += site.counters.live_blocks();
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

    // Every cause is shown, zeros included: what does not fit one line goes on the next.
    void losses() {
        std::uint64_t lost = 0;
        std::vector<std::string> causes, doubts;
        for (const Loss& loss : now_.losses) {
            (loss.lost ? causes : doubts).push_back(loss.cause + " " + grouped(loss.count));
            if (loss.lost) lost += loss.count;
        }
        const std::string total = "lost " + grouped(lost);
        text_ += lost ? painted(total, "1;31") : total;
        list(causes, total.size() + 2, ": ");
        list(doubts, 0, "");
    }

    void list(const std::vector<std::string>& items, std::size_t column, const std::string& opening) {
        text_ += opening;
        bool first = true;
        for (const std::string& item : items) {
            const std::size_t width = display_width(item) + (first ? 0 : display_width(dot_));
            if (!first && terminal_.columns && column + width > terminal_.columns) {
                text_ += "\n  ";
                column = 2;
                first = true;
            }
            text_ += (first ? "" : dot_) + item;
            column += width;
            first = false;
        }
        text_ += '\n';
    }

    void table() {
        const std::vector<Statistic> rows = statistics(now_, options_.view);
        std::map<Key, std::uint64_t> earlier;
        if (before_)
            for (const Statistic& row : statistics(*before_, options_.view)) earlier[key_of(row)] = row.size_bytes;
        text_ += painted(fmt::format("{:>4}  {:>10}  {:>11}  {:>11}  {:>10}  {}", "#", "SIZE", before_ ? "CHANGE" : "", "COUNT", "AVERAGE", "WHERE"),
                         "1") +
                 '\n';
        std::uint64_t shown = 0, shown_bytes = 0, all_bytes = 0;
        for (const Statistic& row : rows) {
            all_bytes += row.size_bytes;
            if (shown == options_.rows) continue;
            ++shown;
            shown_bytes += row.size_bytes;
            const auto before = earlier.find(key_of(row));
            const std::int64_t change = static_cast<std::int64_t>(row.size_bytes - (before == earlier.end() ? 0 : before->second));
            row_line(shown, row, change);
        }
        if (rows.size() > shown)
            text_ += fmt::format("      {:>10}  in {} other lines\n", format_size(all_bytes - shown_bytes), grouped(rows.size() - shown));
        if (rows.empty())
            text_ += fmt::format("      nothing {}is live that was allocated since tracing began\n",
                                 options_.view.filters.empty() ? "" : "of what is shown ");
    }

    void row_line(std::uint64_t rank, const Statistic& row, std::int64_t change) {
        const std::string change_text = before_ ? format_size_diff(change) : "";
        const std::string padding(change_text.size() < 11 ? 11 - change_text.size() : 0, ' ');
        const std::string left = fmt::format("{:>4}  {:>10}  ", rank, format_size(row.size_bytes));
        const std::string middle = fmt::format("  {:>11}  {:>10}  ", grouped(row.count),
                                               format_size(row.size_bytes / std::max<std::uint64_t>(row.count, 1)));
        const std::size_t used = left.size() + 11 + middle.size();
        constexpr std::size_t least_place = 10;
        const std::size_t room = !terminal_.columns ? 0 : terminal_.columns > used + least_place ? terminal_.columns - used : least_place;
        const std::string where = where_of(row, room, terminal_.unicode);
        const char* colour = change > 0 ? "33" : "32";
        text_ += left + padding + (before_ && change != 0 ? painted(change_text, colour) : change_text) + middle + where + '\n';
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
