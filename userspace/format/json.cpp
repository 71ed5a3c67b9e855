// Snapshot → JSON, member by member in the order of model/snapshot.hpp.
#include "format/json_text.hpp"
#include "format/tables.hpp"

namespace memtrace {
namespace {

constexpr std::int32_t kJsonVersion = 1;

std::int64_t nanoseconds(std::chrono::sys_time<std::chrono::nanoseconds> time) { return time.time_since_epoch().count(); }

void write(JsonWriter& to, const std::vector<UserDatum>& user_data) {
    to.key("user_data").begin_array();
    for (const UserDatum& datum : user_data) {
        to.begin_object().member("title", datum.title).member("format", datum.format).member("value", datum.value).end_object();
    }
    to.end_array();
}

void write(JsonWriter& to, const Mark& mark) {
    to.begin_object().member("name", mark.name).member("time_ns", nanoseconds(mark.time)).member("pid", mark.pid);
    to.member("traced_bytes", mark.traced_bytes);
    write(to, mark.user_data);
    to.end_object();
}

void write(JsonWriter& to, const Snapshot& snapshot, const Process& process) {
    to.begin_object().member("pid", process.pid).member("command", process.command).member("start_time_ticks", process.start_time_ticks);
    to.member("rss_bytes", process.rss_bytes).member("vms_bytes", process.vms_bytes).member("traced_bytes", process.traced_bytes);
    to.member("traced_peak_bytes", process.traced_peak_bytes).member("ended", process.ended).key("domains").begin_array();
    for (const Process::DomainUsage& usage : process.domains) {
        to.begin_object().member("domain", snapshot.text(usage.domain)).member("bytes", usage.bytes);
        to.member("peak_bytes", usage.peak_bytes).end_object();
    }
    to.end_array().end_object();
}

void write(JsonWriter& to, const Probe& probe) {
    to.begin_object().member("hook", probe.hook).member("file", probe.file).member("offset", probe.offset).member("symbol", probe.symbol);
    to.member("instruction", probe.instruction).member("method", probe.method).member("entry_ns", probe.entry_ns);
    to.member("hits", probe.hits).end_object();
}

void write(JsonWriter& to, const Loss& loss) {
    to.begin_object().member("cause", loss.cause).member("count", loss.count).member("lost", loss.lost).end_object();
}

void write(JsonWriter& to, const Snapshot& snapshot, const Frame& frame) {
    to.begin_object().member("file", snapshot.text(frame.file)).member("line", frame.line).member("function", snapshot.text(frame.function));
    to.member("python", frame.python).member("end_line", frame.end_line).member("column", frame.column);
    to.member("end_column", frame.end_column).end_object();
}

void write(JsonWriter& to, const Snapshot& snapshot, const Site& site) {
    to.begin_object().member("process", site.process).member("domain", snapshot.text(site.domain)).key("frames").begin_array();
    for (const FrameId id : site.frames) to.value(static_cast<std::uint32_t>(id));
    to.end_array().member("total_frames", site.total_frames);
    to.member("live_blocks", site.counters.live_blocks()).member("live_bytes", site.counters.live_bytes());
    to.member("allocated_blocks", site.counters.allocated_blocks).member("allocated_bytes", site.counters.allocated_bytes);
    to.member("freed_blocks", site.counters.freed_blocks).member("freed_bytes", site.counters.freed_bytes);
    if (snapshot.has_temporaries) to.member("temporary_blocks", site.counters.temporary_blocks);
    if (snapshot.threads_apart) to.member("thread", site.thread).member("thread_name", snapshot.text(site.thread_name));
    if (snapshot.has_blocks) {
        to.key("blocks").begin_array();
        for (const BlockGroup& group : site.blocks) {
            to.begin_array().value(group.size_bytes).value(std::int64_t{age_of(group.age).count()}).value(group.count).end_array();
        }
        to.end_array();
    }
    to.end_object();
}

/// One element a line.
template <typename Item, typename Write>
void write_rows(JsonWriter& to, const char* name, const std::vector<Item>& items, Write write_item) {
    to.line().key(name).begin_array();
    for (const Item& item : items) write_item(to.line(), item);
    to.end_array();
}

}  // namespace

std::string encode_json(const Snapshot& snapshot) {
    std::string text;
    JsonWriter to(text);
    const auto row = [](JsonWriter& row_of, const auto& item) { write(row_of, item); };
    const auto row_with_names = [&](JsonWriter& row_of, const auto& item) { write(row_of, snapshot, item); };
    to.begin_object().member("format", "memtrace-bpf snapshot").member("version", kJsonVersion);
    to.member("tool_version", snapshot.tool_version).member("kernel", snapshot.kernel).member("time_ns", nanoseconds(snapshot.time));
    to.member("traced_for_ns", std::int64_t{snapshot.traced_for.count()}).member("events", snapshot.events);
    to.member("tracing_cost", snapshot.tracing_cost).member("frame_limit", snapshot.frame_limit);
    to.member("has_blocks", snapshot.has_blocks).member("threads_apart", snapshot.threads_apart);
    to.member("has_temporaries", snapshot.has_temporaries).member("name", snapshot.name);
    write(to, snapshot.user_data);
    write_rows(to, "marks", snapshot.marks, row);
    to.line().member("marks_dropped", snapshot.marks_dropped);
    write_rows(to, "processes", snapshot.processes, row_with_names);
    write_rows(to, "probes", snapshot.probes, row);
    write_rows(to, "losses", snapshot.losses, row);
    write_rows(to, "notes", snapshot.notes, [](JsonWriter& row_of, const std::string& note) { row_of.value(note); });
    write_rows(to, "frames", snapshot.frames, row_with_names);
    write_rows(to, "sites", snapshot.sites, row_with_names);
    to.line().end_object();
    return text + "\n";
}

}  // namespace memtrace
