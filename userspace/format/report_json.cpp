#include "format/histogram.hpp"
#include "format/json_text.hpp"
#include "format/report.hpp"

namespace memtrace {
namespace {

constexpr std::int32_t kReportVersion = 1;

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

void write_frame(JsonWriter& to, const Snapshot& snapshot, FrameId id) {
    const Frame& frame = snapshot.frame(id);
    to.begin_object().member("file", source_file(snapshot.text(frame.file))).member("line", frame.line);
    to.member("function", snapshot.text(frame.function)).end_object();
}

// What the rows of a view have in common with nothing else.
void write_key(JsonWriter& to, const Statistic& row) {
    switch (row.by) {
        case GroupBy::line: to.member("file", row.place.file).member("line", row.place.line).member("function", row.function); return;
        case GroupBy::file: to.member("file", row.place.file); return;
        case GroupBy::function: to.member("file", row.place.file).member("function", row.function); return;
        case GroupBy::traceback: {
            to.key("traceback").begin_array();
            const Stack stack = row.stack();
            for (std::size_t i = 0; i < stack.size(); ++i) write_frame(to, *row.snapshot, stack[i]);
            to.end_array().member("total_frames", row.site->total_frames);
            return;
        }
        case GroupBy::domain: return;
        case GroupBy::thread:
        case GroupBy::process:
            if (const Process* process = row.process()) to.member("pid", process->pid).member("command", process->command);
            if (row.by == GroupBy::thread) to.member("thread", row.site->thread).member("thread_name", row.snapshot->text(row.site->thread_name));
    }
}

void write_rates(JsonWriter& to, const Counters& counters, std::chrono::nanoseconds interval) {
    if (interval.count() <= 0) return;
    const auto rate = [interval](std::uint64_t count) { return static_cast<double>(count) / seconds(interval); };
    to.member("alloc_rate", rate(counters.allocated_blocks)).member("free_rate", rate(counters.freed_blocks));
    to.member("byte_rate", rate(counters.allocated_bytes));
}

void write_row(JsonWriter& to, const ReportRow& shown, std::chrono::nanoseconds interval) {
    const Statistic& row = *shown.now;
    to.line().begin_object();
    write_key(to, row);
    to.member("domain", row.domains).member("size", row.size_bytes);
    if (shown.diff) to.member("size_change", shown.diff->size_diff_bytes);
    to.member("count", row.count);
    if (shown.diff) to.member("count_change", shown.diff->count_diff);
    to.member("allocated_bytes", row.counters.allocated_bytes).member("allocated_blocks", row.counters.allocated_blocks);
    to.member("freed_bytes", row.counters.freed_bytes).member("freed_blocks", row.counters.freed_blocks);
    if (row.temporaries_known) to.member("temporary_blocks", row.counters.temporary_blocks);
    write_rates(to, shown.diff ? shown.diff->since : row.counters, interval);
    if (row.oldest) to.member("age_seconds", seconds(*row.oldest));
    if (!row.histograms.empty()) write_histograms(to.key("histogram"), row.histograms);
    if (shown.growth) {
        to.key("sizes").begin_array();
        for (const std::uint64_t size : shown.growth->sizes) to.value(size);
        to.end_array();
    }
    to.end_object();
}

void write_sum(JsonWriter& to, const char* name, std::span<const ReportRow> rows) {
    std::uint64_t size = 0, count = 0;
    std::int64_t size_change = 0, count_change = 0;
    bool of_diff = false;
    for (const ReportRow& row : rows) {
        size += row.now->size_bytes;
        count += row.now->count;
        if (!row.diff) continue;
        of_diff = true;
        size_change += row.diff->size_diff_bytes;
        count_change += row.diff->count_diff;
    }
    to.key(name).begin_object().member("rows", std::uint64_t{rows.size()}).member("size", size).member("count", count);
    if (of_diff) to.member("size_change", size_change).member("count_change", count_change);
    to.end_object();
}

void write_snapshot_part(JsonWriter& to, const Snapshot& snapshot) {
    std::uint64_t lost = 0;
    for (const Loss& loss : snapshot.losses) lost += loss.lost ? loss.count : 0;
    to.begin_object().member("name", snapshot.name).member("time", seconds(snapshot.time.time_since_epoch()));
    to.member("traced_for", seconds(snapshot.traced_for)).member("lost", lost);
    if (!snapshot.processes.empty()) {
        const Process& process = snapshot.processes.front();
        to.member("pid", process.pid).member("command", process.command);
    }
    to.key("user_data").begin_array();
    for (const UserDatum& datum : snapshot.user_data)
        to.begin_object().member("title", datum.title).member("format", datum.format).member("value", datum.value).end_object();
    to.end_array().end_object();
}

const char* name_of(Counted counted) { return counted == Counted::allocated ? "allocated" : counted == Counted::freed ? "freed" : "live"; }

}  // namespace

std::string encode_report_json(const Report& report) {
    std::string text;
    JsonWriter to(text);
    to.begin_object().member("version", kReportVersion).member("by", name_of(report.view.by)).member("cumulative", report.view.cumulative);
    to.member("counted", name_of(report.view.counted)).key("snapshots").begin_array();
    for (const Snapshot& snapshot : report.snapshots) write_snapshot_part(to, snapshot);
    to.end_array().key("rows").begin_array();
    const std::span<const ReportRow> all(report.rows);
    const std::size_t told = report.limit ? std::min(report.limit, all.size()) : all.size();
    for (const ReportRow& row : all.first(told)) write_row(to, row, interval_of(report.snapshots));
    to.line().end_array();
    write_sum(to, "other", all.subspan(told));
    write_sum(to, "total", all);
    if (report.histograms) write_histograms(to.key("histogram"), *report.histograms);
    to.end_object();
    return text + "\n";
}

}  // namespace memtrace
