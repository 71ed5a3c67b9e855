#include <fmt/format.h>

#include "format/report.hpp"
#include "format/text.hpp"

namespace memtrace {
namespace {

constexpr const char* kHeader =
    "file,line,function,pid,command,thread,thread_name,domain,size,size_change,count,count_change,average,allocated_bytes,allocated_blocks,"
    "freed_bytes,freed_blocks,age_seconds,traceback,temporary_blocks,alloc_rate,free_rate,byte_rate\n";

/// One line of fields.
class Fields {
public:
    explicit Fields(std::string& to) : to_(to) {}

    Fields& none() { return add({}); }
    Fields& text(std::string_view name) {
        const std::string field = is_utf8(name) ? std::string(name) : printable(name);
        if (field.find_first_of(",\"\r\n") == std::string::npos) return add(field);
        std::string quoted = "\"";
        for (const char character : field) quoted += character == '"' ? std::string("\"\"") : std::string(1, character);
        return add(quoted + '"');
    }
    template <typename Number>
    Fields& number(Number value) {
        return add(fmt::to_string(value));
    }

private:
    Fields& add(std::string_view field) {
        if (!first_) to_ += ',';
        first_ = false;
        to_ += field;
        return *this;
    }
    std::string& to_;
    bool first_ = true;
};

std::string traceback_text(const Statistic& row) {
    std::string text;
    const Stack stack = row.stack();
    for (std::size_t i = 0; i < stack.size(); ++i) {
        const Place place = place_of(*row.snapshot, stack[i], GroupBy::line);
        const std::string file = place.by_function ? format_symbol(place.file, place.function) : std::string(place.file);
        text += fmt::format("{}{}:{}", i == 0 ? "" : "\n", file, place.line);
    }
    return text;
}

void append_key(Fields& fields, const Statistic& row) {
    const bool has_file = row.by != GroupBy::domain && row.by != GroupBy::process && row.by != GroupBy::thread;
    const bool has_line = row.by == GroupBy::line || row.by == GroupBy::traceback;
    has_file ? fields.text(row.place.file) : fields.none();
    has_line ? fields.number(row.place.line) : fields.none();
    fields.text(row.function);
    const Process* process = row.by == GroupBy::process || row.by == GroupBy::thread ? row.process() : nullptr;
    process ? fields.number(process->pid).text(process->command) : fields.none().none();
    row.by == GroupBy::thread ? fields.number(row.site->thread).text(row.snapshot->text(row.site->thread_name)) : fields.none().none();
}

void append_rates(Fields& fields, const Counters& counters, std::chrono::nanoseconds interval) {
    for (const std::uint64_t count : {counters.allocated_blocks, counters.freed_blocks, counters.allocated_bytes})
        interval.count() > 0 ? fields.number(static_cast<double>(count) / std::chrono::duration<double>(interval).count()) : fields.none();
}

}  // namespace

std::string encode_report_csv(const Report& report) {
    std::string text = kHeader;
    const std::size_t told = report.limit ? std::min(report.limit, report.rows.size()) : report.rows.size();
    for (std::size_t i = 0; i < told; ++i) {
        const Statistic& row = *report.rows[i].now;
        const StatisticDiff* diff = report.rows[i].diff;
        Fields fields(text);
        append_key(fields, row);
        fields.text(row.domains).number(row.size_bytes);
        diff ? fields.number(diff->size_diff_bytes) : fields.none();
        fields.number(row.count);
        diff ? fields.number(diff->count_diff) : fields.none();
        row.count ? fields.number(static_cast<double>(row.size_bytes) / static_cast<double>(row.count)) : fields.none();
        fields.number(row.counters.allocated_bytes).number(row.counters.allocated_blocks);
        fields.number(row.counters.freed_bytes).number(row.counters.freed_blocks);
        row.oldest ? fields.number(std::chrono::duration<double>(*row.oldest).count()) : fields.none();
        row.by == GroupBy::traceback ? fields.text(traceback_text(row)) : fields.none();
        row.temporaries_known ? fields.number(row.counters.temporary_blocks) : fields.none();
        append_rates(fields, diff ? diff->since : row.counters, interval_of(report.snapshots));
        text += '\n';
    }
    return text;
}

}  // namespace memtrace
