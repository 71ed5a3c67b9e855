#include "leaks_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "format/histogram.hpp"
#include "format/text.hpp"
#include "losses_view.hpp"
#include "model/statistics.hpp"

namespace memtrace::cli {
namespace {

std::string clock_text(std::chrono::sys_time<std::chrono::nanoseconds> time) {
    const std::time_t second = std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::system_clock::duration>(time));
    std::tm local{};
    localtime_r(&second, &local);
    return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

// By size, largest first; those that have nothing any more are left out.
std::vector<StatisticDiff> rows_of(const Snapshot& now, const std::optional<Snapshot>& before, const View& view) {
    std::vector<StatisticDiff> rows;
    if (!before) {
        for (Statistic& row : statistics(now, view)) rows.push_back({std::move(row), 0, 0, {}});
        return rows;
    }
    rows = compare(*before, now, view);
    std::erase_if(rows, [](const StatisticDiff& row) { return row.now.count == 0; });
    sort(rows, Order::size);
    return rows;
}

class LeaksPage {
public:
    LeaksPage(const Snapshot& now, const std::optional<Snapshot>& before, const LeaksText& options, const Terminal& terminal)
        : now_(now), before_(before), options_(options), terminal_(terminal) {}

    std::string render() {
        const std::vector<StatisticDiff> rows = rows_of(now_, before_, options_.view);
        const std::size_t shown = std::min<std::size_t>(rows.size(), options_.report.stacks);
        text_ = fmt::format("[{}] Top {} stacks with outstanding allocations:\n", clock_text(now_.time), shown);
        blocks();
        for (std::size_t i = 0; i < shown; ++i) stack(rows[i]);
        sum(rows, shown);
        if (options_.report.histogram) histogram(histograms(now_, options_.view));
        text_ += render_losses(now_, terminal_);
        for (const std::string& note : now_.notes) text_ += "note: " + printable(note) + '\n';
        return std::move(text_);
    }

private:
    void blocks() {
        if (!options_.blocks) return;
        for (const Outstanding::Block& block : options_.blocks->blocks) {
            const SiteNames::Name& name = options_.names->of(block.site);
            text_ += fmt::format("\taddr = {:x} size = {} age = {} pid = {} {}\n", block.address, block.size_bytes, format_duration(block.age),
                                 name.pid, name.place);
        }
        if (options_.blocks->left_out > 0) text_ += fmt::format("\tand {} younger ones\n", options_.blocks->left_out);
    }

    void stack(const StatisticDiff& row) {
        const Statistic& now = row.now;
        std::string more = now.oldest ? "oldest " + format_duration(*now.oldest) : "";
        if (before_) more += fmt::format("{}{:+} bytes in {:+} allocations", more.empty() ? "" : ", ", row.size_diff_bytes, row.count_diff);
        text_ += fmt::format("\t{} bytes in {} allocations from stack{}\n", now.size_bytes, now.count, more.empty() ? "" : " (" + more + ")");
        const Stack frames = now.stack();
        for (std::size_t i = 0; i < frames.size(); ++i) text_ += "\t\t" + stack_line(*now.snapshot, frames[i]) + '\n';
        if (options_.report.histogram) histogram(now.histograms);
    }

    void sum(const std::vector<StatisticDiff>& rows, std::size_t shown) {
        std::uint64_t bytes = 0, count = 0;
        for (const StatisticDiff& row : rows) {
            bytes += row.now.size_bytes;
            count += row.now.count;
        }
        const std::string others = rows.size() > shown ? fmt::format(", {} of them not shown", rows.size() - shown) : "";
        text_ += fmt::format("{} bytes in {} allocations outstanding in all, from {} stacks{}\n", bytes, count, rows.size(), others);
        if (options_.view.blocks.older.count() > 0)
            text_ += fmt::format("younger ones than {} ms are not among them (-o)\n", options_.view.blocks.older.count());
    }

    void histogram(const BlockHistograms& of) {
        for (const std::string& line : format_histograms(of, {terminal_.unicode, terminal_.colour})) text_ += '\t' + line + '\n';
    }

    const Snapshot& now_;
    const std::optional<Snapshot>& before_;
    const LeaksText& options_;
    const Terminal& terminal_;
    std::string text_;
};

}  // namespace

std::string render_leaks(const Snapshot& now, const std::optional<Snapshot>& before, const LeaksText& text, const Terminal& terminal) {
    return LeaksPage(now, before, text, terminal).render();
}

}  // namespace memtrace::cli
