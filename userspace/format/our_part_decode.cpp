// Our message inside the profile, field by field; every count is bounded before it is believed.
#include <fmt/format.h>

#include <limits>
#include <optional>
#include <protozero/pbf_message.hpp>

#include "format/our_part.hpp"

namespace memtrace::wire {
namespace {

using protozero::data_view;
using protozero::pbf_message;

std::string text(data_view view) { return std::string(view.data(), view.size()); }

memtrace::Process::DomainUsage read_domain_usage(pbf_message<DomainUsage> from) {
    memtrace::Process::DomainUsage usage;
    while (from.next()) {
        switch (from.tag_and_type()) {
            case integer(DomainUsage::domain): usage.domain = StringId{from.get_uint32()}; break;
            case integer(DomainUsage::bytes): usage.bytes = from.get_uint64(); break;
            case integer(DomainUsage::peak_bytes): usage.peak_bytes = from.get_uint64(); break;
            default: from.skip();
        }
    }
    return usage;
}

memtrace::Process read_process(pbf_message<Process> from) {
    memtrace::Process process;
    while (from.next()) {
        switch (from.tag_and_type()) {
            case integer(Process::pid): process.pid = from.get_int32(); break;
            case message(Process::command): process.command = text(from.get_view()); break;
            case integer(Process::start_time_ticks): process.start_time_ticks = from.get_uint64(); break;
            case integer(Process::rss_bytes): process.rss_bytes = from.get_uint64(); break;
            case integer(Process::vms_bytes): process.vms_bytes = from.get_uint64(); break;
            case integer(Process::traced_bytes): process.traced_bytes = from.get_uint64(); break;
            case integer(Process::traced_peak_bytes): process.traced_peak_bytes = from.get_uint64(); break;
            case integer(Process::ended): process.ended = from.get_uint64() != 0; break;
            case message(Process::domain): process.domains.push_back(read_domain_usage(pbf_message<DomainUsage>(from.get_view()))); break;
            default: from.skip();
        }
    }
    return process;
}

memtrace::Probe read_probe(pbf_message<Probe> from) {
    memtrace::Probe probe;
    while (from.next()) {
        switch (from.tag_and_type()) {
            case message(Probe::hook): probe.hook = text(from.get_view()); break;
            case message(Probe::file): probe.file = text(from.get_view()); break;
            case integer(Probe::offset): probe.offset = from.get_uint64(); break;
            case message(Probe::symbol): probe.symbol = text(from.get_view()); break;
            case message(Probe::instruction): probe.instruction = text(from.get_view()); break;
            case message(Probe::method): probe.method = text(from.get_view()); break;
            case real(Probe::entry_ns): probe.entry_ns = from.get_double(); break;
            case integer(Probe::hits): probe.hits = from.get_uint64(); break;
            default: from.skip();
        }
    }
    return probe;
}

memtrace::Loss read_loss(pbf_message<Loss> from) {
    memtrace::Loss loss;
    while (from.next()) {
        switch (from.tag_and_type()) {
            case message(Loss::cause): loss.cause = text(from.get_view()); break;
            case integer(Loss::count): loss.count = from.get_uint64(); break;
            // Not get_bool(): protozero 1.7 reads its byte before it looks whether there is one.
            case integer(Loss::lost): loss.lost = from.get_uint64() != 0; break;
            default: from.skip();
        }
    }
    return loss;
}

memtrace::UserDatum read_user_datum(pbf_message<UserDatum> from) {
    memtrace::UserDatum datum{.format = {}};
    while (from.next()) {
        switch (from.tag_and_type()) {
            case message(UserDatum::title): datum.title = text(from.get_view()); break;
            case message(UserDatum::format): datum.format = text(from.get_view()); break;
            case integer(UserDatum::value): datum.value = from.get_sint64(); break;
            default: from.skip();
        }
    }
    return datum;
}

std::pair<std::uint64_t, std::string> read_raw_string(pbf_message<RawString> from) {
    std::pair<std::uint64_t, std::string> raw;
    while (from.next()) {
        switch (from.tag_and_type()) {
            case integer(RawString::index): raw.first = from.get_uint64(); break;
            case message(RawString::bytes): raw.second = text(from.get_view()); break;
            default: from.skip();
        }
    }
    return raw;
}

std::uint32_t format_version(data_view bytes) {
    pbf_message<OurPart> from(bytes);
    return from.next(OurPart::format_version, protozero::pbf_wire_type::varint) ? from.get_uint32() : 0;
}

/// Reads our part field by field. The first failure is kept, as the fields come in any order.
class Reader {
public:
    Result<OurPartContent> read(data_view bytes) {
        pbf_message<OurPart> from(bytes);
        while (!failure_ && from.next()) field(from);
        if (!failure_) assemble();
        if (failure_) return std::move(*failure_);
        return std::move(content_);
    }

private:
    using Column = std::vector<std::uint32_t>;

    void fail(std::string_view reason) {
        if (!failure_) failure_ = damaged(reason);
    }

    template <typename Item>
    void add(std::vector<Item>& items, Item&& item, std::size_t most, const char* what) {
        if (items.size() == most) return fail(fmt::format("more {} than the {} possible", what, most));
        items.push_back(std::move(item));
    }

    template <typename Number>
    void column(pbf_message<OurPart>& from, std::vector<Number>& values, std::size_t most, const char* what) {
        const auto range = from.get_packed_uint64();
        const auto count = static_cast<std::size_t>(range.size());
        if (count > most - values.size()) return fail(fmt::format("more {} than the {} possible", what, most));
        values.reserve(values.size() + count);
        for (const std::uint64_t value : range) {
            if (value > std::numeric_limits<Number>::max()) return fail(fmt::format("a number among the {} is too large", what));
            values.push_back(static_cast<Number>(value));
        }
    }

    void field(pbf_message<OurPart>& from) {
        Snapshot& to = content_.snapshot;
        switch (from.tag_and_type()) {
            case message(OurPart::tool_version): to.tool_version = text(from.get_view()); break;
            case message(OurPart::kernel): to.kernel = text(from.get_view()); break;
            case integer(OurPart::events): to.events = from.get_uint64(); break;
            case real(OurPart::tracing_cost): to.tracing_cost = from.get_double(); break;
            case integer(OurPart::frame_limit): to.frame_limit = from.get_uint32(); break;
            case message(OurPart::process): add(to.processes, read_process(pbf_message<Process>(from.get_view())), kMaxProcesses, "processes"); break;
            case message(OurPart::probe): add(to.probes, read_probe(pbf_message<Probe>(from.get_view())), kMaxProbes, "probes"); break;
            case message(OurPart::loss): add(to.losses, read_loss(pbf_message<Loss>(from.get_view())), kMaxLosses, "losses"); break;
            case message(OurPart::note): add(to.notes, text(from.get_view()), kMaxNotes, "notes"); break;
            case integer(OurPart::string_count): content_.string_count = from.get_uint64(); break;
            case message(OurPart::raw_string):
                add(content_.raw_strings, read_raw_string(pbf_message<RawString>(from.get_view())), kMaxStrings, "strings");
                break;
            case message(OurPart::frame_file): column(from, frame_file_, kMaxFrames, "frames"); break;
            case message(OurPart::frame_function): column(from, frame_function_, kMaxFrames, "frames"); break;
            case message(OurPart::frame_line): column(from, frame_line_, kMaxFrames, "frames"); break;
            case message(OurPart::frame_python): column(from, frame_python_, kMaxFrames, "frames"); break;
            case message(OurPart::frame_end_line): column(from, frame_end_line_, kMaxFrames, "frames"); break;
            case message(OurPart::frame_column): column(from, frame_column_, kMaxFrames, "frames"); break;
            case message(OurPart::frame_end_column): column(from, frame_end_column_, kMaxFrames, "frames"); break;
            case message(OurPart::site_process): column(from, content_.site_process, kMaxSites, "sites"); break;
            case message(OurPart::site_domain): column(from, content_.site_domain, kMaxSites, "sites"); break;
            case message(OurPart::site_total_frames): column(from, content_.site_total_frames, kMaxSites, "sites"); break;
            default: later_field(from);
        }
    }

    /// Those that files of the first versions do not have.
    void later_field(pbf_message<OurPart>& from) {
        Snapshot& to = content_.snapshot;
        switch (from.tag_and_type()) {
            case integer(OurPart::has_blocks): to.has_blocks = from.get_uint64() != 0; break;
            case integer(OurPart::threads_apart): to.threads_apart = from.get_uint64() != 0; break;
            case message(OurPart::name): to.name = text(from.get_view()); break;
            case message(OurPart::user_datum): add_user_datum(to.user_data, from.get_view()); break;
            case message(OurPart::mark): add(to.marks, mark(pbf_message<Mark>(from.get_view())), kMaxMarks, "marks"); break;
            case integer(OurPart::marks_dropped): to.marks_dropped = from.get_uint64(); break;
            case message(OurPart::site_thread): column(from, content_.site_thread, kMaxSites, "sites"); break;
            case message(OurPart::site_thread_name): column(from, content_.site_thread_name, kMaxSites, "sites"); break;
            case message(OurPart::site_block_groups): column(from, content_.site_block_groups, kMaxSites, "sites"); break;
            case message(OurPart::block_size): column(from, block_size_, kMaxBlockGroups, "groups of blocks"); break;
            case message(OurPart::block_age): column(from, block_age_, kMaxBlockGroups, "groups of blocks"); break;
            case integer(OurPart::has_temporaries): to.has_temporaries = from.get_uint64() != 0; break;
            case message(OurPart::site_temporary_blocks): column(from, content_.site_temporary_blocks, kMaxSites, "sites"); break;
            case message(OurPart::block_count): column(from, block_count_, kMaxBlockGroups, "groups of blocks"); break;
            default: from.skip();
        }
    }

    memtrace::Mark mark(pbf_message<Mark> from) {
        memtrace::Mark mark;
        while (from.next()) {
            switch (from.tag_and_type()) {
                case message(Mark::name): mark.name = text(from.get_view()); break;
                case integer(Mark::time_ns): mark.time = decltype(mark.time)(std::chrono::nanoseconds(from.get_sint64())); break;
                case integer(Mark::pid): mark.pid = from.get_int32(); break;
                case integer(Mark::traced_bytes): mark.traced_bytes = from.get_uint64(); break;
                case message(Mark::user_datum): add_user_datum(mark.user_data, from.get_view()); break;
                default: from.skip();
            }
        }
        return mark;
    }

    void add_user_datum(std::vector<memtrace::UserDatum>& to, data_view bytes) {
        if (user_data_++ == kMaxUserData) fail(fmt::format("more user data than the {} possible", kMaxUserData));
        if (!failure_) to.push_back(read_user_datum(pbf_message<UserDatum>(bytes)));
    }

    void assemble() {
        assemble_frames();
        assemble_sites();
    }

    void assemble_frames() {
        Snapshot& to = content_.snapshot;
        const std::size_t frames = frame_file_.size();
        if (frame_function_.size() != frames || frame_line_.size() != frames || frame_python_.size() != frames) {
            return fail("the columns of its frames differ in length");
        }
        for (const Column* optional : {&frame_end_line_, &frame_column_, &frame_end_column_}) {
            if (!optional->empty() && optional->size() != frames) return fail("the columns of its frames differ in length");
        }
        to.frames.reserve(frames);
        for (std::size_t i = 0; i < frames; ++i) {
            to.frames.push_back(Frame{StringId{frame_file_[i]}, StringId{frame_function_[i]}, frame_line_[i], frame_python_[i] != 0,
                                      at(frame_end_line_, i), at(frame_column_, i), at(frame_end_column_, i)});
        }
    }

    void assemble_sites() {
        const std::size_t sites = content_.site_process.size();
        for (const Column* column : {&content_.site_domain, &content_.site_total_frames}) {
            if (column->size() != sites) return fail("the columns of its sites differ in length");
        }
        for (const Column* optional : {&content_.site_thread, &content_.site_thread_name, &content_.site_block_groups}) {
            if (!optional->empty() && optional->size() != sites) return fail("the columns of its sites differ in length");
        }
        if (const auto& column = content_.site_temporary_blocks; !column.empty() && column.size() != sites)
            return fail("the columns of its sites differ in length");
        if (block_age_.size() != block_size_.size() || block_count_.size() != block_size_.size()) {
            return fail("the columns of its blocks differ in length");
        }
        std::uint64_t groups = 0;  // cannot overflow: at most 2^24 numbers of 32 bits
        for (const std::uint32_t of_site : content_.site_block_groups) groups += of_site;
        if (groups != block_size_.size()) return fail("its sites announce other blocks than there are");
        content_.groups.reserve(groups);
        for (const std::uint32_t of_site : content_.site_block_groups) add_groups(of_site);
    }

    void add_groups(std::uint32_t count) {
        BlockGroup group;
        for (std::uint32_t left = count; left > 0; --left) {
            const std::size_t i = content_.groups.size();
            const std::uint64_t before = block_size_[i] == 0 ? static_cast<std::uint16_t>(group.age) : 0;
            if (block_size_[i] > ~std::uint64_t{0} - group.size_bytes || block_age_[i] + before > std::numeric_limits<std::uint16_t>::max()) {
                return fail("the size or the age of a block is too large");
            }
            group = {group.size_bytes + block_size_[i], AgeStep{static_cast<std::uint16_t>(block_age_[i] + before)}, block_count_[i]};
            content_.groups.push_back(group);
        }
    }

    /// Of a column that may be left out.
    static std::uint32_t at(const Column& values, std::size_t i) { return values.empty() ? 0 : values[i]; }

    OurPartContent content_;
    std::optional<Error> failure_;
    std::size_t user_data_ = 0;
    Column frame_file_, frame_function_, frame_line_, frame_python_;
    Column frame_end_line_, frame_column_, frame_end_column_;
    std::vector<std::uint16_t> block_age_;
    std::vector<std::uint64_t> block_size_, block_count_;
};

}  // namespace

Error damaged(std::string_view reason) { return Error{fmt::format("the file is damaged: {}", reason)}; }

Result<OurPartContent> read_our_part(data_view bytes) {
    const std::uint32_t version = format_version(bytes);
    if (version == 0) return damaged("its format has no version");
    if (version > kFormatVersion) {
        return Error{fmt::format("written in format {}; this program reads formats up to {}", version, kFormatVersion),
                     "use the version of memtrace-bpf that wrote it, or a newer one"};
    }
    return Reader().read(bytes);
}

}  // namespace memtrace::wire
