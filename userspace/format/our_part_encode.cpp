// Our message inside the profile, field by field: what pprof has no place for.
#include <algorithm>
#include <protozero/pbf_builder.hpp>

#include "format/our_part.hpp"
#include "format/text.hpp"

namespace memtrace::wire {
namespace {

using protozero::pbf_builder;
using Part = pbf_builder<OurPart>;

void add_process(Part& part, const memtrace::Process& process) {
    pbf_builder<Process> message(part, OurPart::process);
    message.add_int32(Process::pid, process.pid);
    message.add_bytes(Process::command, process.command);
    message.add_uint64(Process::start_time_ticks, process.start_time_ticks);
    message.add_uint64(Process::rss_bytes, process.rss_bytes);
    message.add_uint64(Process::vms_bytes, process.vms_bytes);
    message.add_uint64(Process::traced_bytes, process.traced_bytes);
    message.add_uint64(Process::traced_peak_bytes, process.traced_peak_bytes);
    if (process.ended) message.add_bool(Process::ended, true);
    for (const memtrace::Process::DomainUsage& usage : process.domains) {
        pbf_builder<DomainUsage> domain(message, Process::domain);
        domain.add_uint64(DomainUsage::domain, static_cast<std::uint64_t>(usage.domain));
        domain.add_uint64(DomainUsage::bytes, usage.bytes);
        domain.add_uint64(DomainUsage::peak_bytes, usage.peak_bytes);
    }
}

void add_probe(Part& part, const memtrace::Probe& probe) {
    pbf_builder<Probe> message(part, OurPart::probe);
    message.add_bytes(Probe::hook, probe.hook);
    message.add_bytes(Probe::file, probe.file);
    message.add_uint64(Probe::offset, probe.offset);
    message.add_bytes(Probe::symbol, probe.symbol);
    message.add_bytes(Probe::instruction, probe.instruction);
    message.add_bytes(Probe::method, probe.method);
    message.add_double(Probe::entry_ns, probe.entry_ns);
    message.add_uint64(Probe::hits, probe.hits);
}

void add_loss(Part& part, const memtrace::Loss& loss) {
    pbf_builder<Loss> message(part, OurPart::loss);
    message.add_bytes(Loss::cause, loss.cause);
    message.add_uint64(Loss::count, loss.count);
    message.add_bool(Loss::lost, loss.lost);
}

void add_strings(Part& part, const std::vector<std::string>& strings) {
    part.add_uint64(OurPart::string_count, strings.size());
    for (std::size_t i = 0; i < strings.size(); ++i) {
        if (is_utf8(strings[i])) continue;
        pbf_builder<RawString> message(part, OurPart::raw_string);
        message.add_uint64(RawString::index, i);
        message.add_bytes(RawString::bytes, strings[i]);
    }
}

template <typename Item, typename Field>
void add_column(Part& part, OurPart tag, const std::vector<Item>& items, Field Item::*field) {
    std::vector<std::uint64_t> column;
    column.reserve(items.size());
    for (const Item& item : items) column.push_back(static_cast<std::uint64_t>(item.*field));
    part.add_packed_uint64(tag, column.begin(), column.end());
}

template <typename Item, typename Field>
void add_column_if_used(Part& part, OurPart tag, const std::vector<Item>& items, Field Item::*field) {
    const bool used = std::any_of(items.begin(), items.end(), [field](const Item& item) { return item.*field != Field{}; });
    if (used) add_column(part, tag, items, field);
}

template <typename Message, typename Field>
void add_user_datum(Message& to, Field field, const memtrace::UserDatum& datum) {
    pbf_builder<UserDatum> message(to, field);
    message.add_bytes(UserDatum::title, datum.title);
    message.add_bytes(UserDatum::format, datum.format);
    message.add_sint64(UserDatum::value, datum.value);
}

void add_mark(Part& part, const memtrace::Mark& mark) {
    pbf_builder<Mark> message(part, OurPart::mark);
    message.add_bytes(Mark::name, mark.name);
    message.add_sint64(Mark::time_ns, mark.time.time_since_epoch().count());
    message.add_int32(Mark::pid, mark.pid);
    message.add_uint64(Mark::traced_bytes, mark.traced_bytes);
    for (const memtrace::UserDatum& datum : mark.user_data) add_user_datum(message, Mark::user_datum, datum);
}

/// Differences are small where groups are ordered: mostly one byte each, which deflate then halves.
void add_blocks(Part& part, const std::vector<Site>& sites) {
    std::vector<std::uint64_t> groups, sizes, ages, counts;
    for (const Site& site : sites) {
        groups.push_back(site.blocks.size());
        BlockGroup before;
        for (const BlockGroup& group : site.blocks) {
            const std::uint64_t more_bytes = group.size_bytes - before.size_bytes;
            sizes.push_back(more_bytes);
            ages.push_back(std::uint64_t{static_cast<std::uint16_t>(group.age)} - (more_bytes == 0 ? static_cast<std::uint16_t>(before.age) : 0));
            counts.push_back(group.count);
            before = group;
        }
    }
    if (sizes.empty()) return;
    part.add_packed_uint64(OurPart::site_block_groups, groups.begin(), groups.end());
    part.add_packed_uint64(OurPart::block_size, sizes.begin(), sizes.end());
    part.add_packed_uint64(OurPart::block_age, ages.begin(), ages.end());
    part.add_packed_uint64(OurPart::block_count, counts.begin(), counts.end());
}

void add_temporaries(Part& part, const std::vector<Site>& sites) {
    if (std::none_of(sites.begin(), sites.end(), [](const Site& site) { return site.counters.temporary_blocks != 0; })) return;
    std::vector<std::uint64_t> column;
    for (const Site& site : sites) column.push_back(site.counters.temporary_blocks);
    part.add_packed_uint64(OurPart::site_temporary_blocks, column.begin(), column.end());
}

}  // namespace

void write_our_part(const Snapshot& snapshot, std::string& raw) {
    pbf_builder<Profile> profile(raw);
    Part part(profile, Profile::our_part);
    part.add_uint32(OurPart::format_version, kFormatVersion);
    part.add_bytes(OurPart::tool_version, snapshot.tool_version);
    part.add_bytes(OurPart::kernel, snapshot.kernel);
    part.add_uint64(OurPart::events, snapshot.events);
    part.add_double(OurPart::tracing_cost, snapshot.tracing_cost);
    part.add_uint32(OurPart::frame_limit, snapshot.frame_limit);
    for (const memtrace::Process& process : snapshot.processes) add_process(part, process);
    for (const memtrace::Probe& probe : snapshot.probes) add_probe(part, probe);
    for (const memtrace::Loss& loss : snapshot.losses) add_loss(part, loss);
    for (const std::string& note : snapshot.notes) part.add_bytes(OurPart::note, note);
    add_strings(part, snapshot.strings);
    add_column(part, OurPart::frame_file, snapshot.frames, &Frame::file);
    add_column(part, OurPart::frame_function, snapshot.frames, &Frame::function);
    add_column(part, OurPart::frame_line, snapshot.frames, &Frame::line);
    add_column(part, OurPart::frame_python, snapshot.frames, &Frame::python);
    add_column_if_used(part, OurPart::frame_end_line, snapshot.frames, &Frame::end_line);
    add_column_if_used(part, OurPart::frame_column, snapshot.frames, &Frame::column);
    add_column_if_used(part, OurPart::frame_end_column, snapshot.frames, &Frame::end_column);
    add_column(part, OurPart::site_process, snapshot.sites, &Site::process);
    add_column(part, OurPart::site_domain, snapshot.sites, &Site::domain);
    add_column(part, OurPart::site_total_frames, snapshot.sites, &Site::total_frames);
    if (snapshot.has_blocks) part.add_bool(OurPart::has_blocks, true);
    if (snapshot.threads_apart) part.add_bool(OurPart::threads_apart, true);
    if (!snapshot.name.empty()) part.add_bytes(OurPart::name, snapshot.name);
    for (const memtrace::UserDatum& datum : snapshot.user_data) add_user_datum(part, OurPart::user_datum, datum);
    for (const memtrace::Mark& mark : snapshot.marks) add_mark(part, mark);
    if (snapshot.marks_dropped != 0) part.add_uint64(OurPart::marks_dropped, snapshot.marks_dropped);
    add_column_if_used(part, OurPart::site_thread, snapshot.sites, &Site::thread);
    add_column_if_used(part, OurPart::site_thread_name, snapshot.sites, &Site::thread_name);
    add_blocks(part, snapshot.sites);
    if (snapshot.has_temporaries) part.add_bool(OurPart::has_temporaries, true);
    add_temporaries(part, snapshot.sites);
}

}  // namespace memtrace::wire
