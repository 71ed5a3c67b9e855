// Snapshot → bytes of its file: the part every pprof reader understands, then ours (snapshot_wire.hpp).
#include <fmt/format.h>

#include <array>
#include <protozero/pbf_builder.hpp>
#include <unordered_map>

#include "format/our_part.hpp"
#include "format/pprof.hpp"
#include "format/snapshot_wire.hpp"
#include "format/text.hpp"

namespace memtrace {
namespace {

using protozero::pbf_builder;

/// zlib's 3 takes half to two thirds of the time of its default, 6, for files 2 % larger.
constexpr int kCompressionLevel = 3;
constexpr std::uint64_t kMappingId = 1;

/// The profile's string table: the snapshot's strings under their own ids, then what only other readers need.
class StringTable {
public:
    explicit StringTable(const std::vector<std::string>& strings) : strings_(strings) {}

    std::uint64_t add(const std::string& text) {
        const auto [place, added] = added_.try_emplace(text, strings_.size() + order_.size());
        if (added) order_.push_back(&place->first);
        return place->second;
    }

    void write(pbf_builder<wire::Profile>& profile) const {
        for (const std::string& text : strings_) write(profile, text);
        for (const std::string* text : order_) write(profile, *text);
    }

private:
    // proto3 strings are UTF-8 and strict readers refuse a whole profile with any other; file names may be anything.
    static void write(pbf_builder<wire::Profile>& profile, const std::string& text) {
        profile.add_string(wire::Profile::string_table, is_utf8(text) ? text : printable(text));
    }

    const std::vector<std::string>& strings_;
    std::unordered_map<std::string, std::uint64_t> added_;
    std::vector<const std::string*> order_;
};

/// Writes the fields of profile.proto.
class ProfileWriter {
public:
    ProfileWriter(const Snapshot& snapshot, std::string& raw) : snapshot_(snapshot), profile_(raw), strings_(snapshot.strings) {
        for (const Process& process : snapshot.processes) commands_.push_back(strings_.add(process.command));
    }

    void run() {
        sample_types();
        for (const Site& site : snapshot_.sites) sample(site);
        mapping();
        for (std::size_t i = 0; i < snapshot_.frames.size(); ++i) location(i);
        profile_.add_int64(wire::Profile::time_nanos, snapshot_.time.time_since_epoch().count());
        profile_.add_int64(wire::Profile::duration_nanos, snapshot_.traced_for.count());
        std::vector<std::uint64_t> comments;
        for (const std::string& note : snapshot_.notes) comments.push_back(strings_.add(note));
        profile_.add_packed_uint64(wire::Profile::comment, comments.begin(), comments.end());
        strings_.write(profile_);
    }

private:
    void value_type(wire::Profile field, const char* type, const char* unit) {
        pbf_builder<wire::ValueType> message(profile_, field);
        message.add_uint64(wire::ValueType::type, strings_.add(type));
        message.add_uint64(wire::ValueType::unit, strings_.add(unit));
    }

    // Go's heap profiles have these four in this order, and tools know them by name.
    void sample_types() {
        value_type(wire::Profile::sample_type, "alloc_objects", "count");
        value_type(wire::Profile::sample_type, "alloc_space", "bytes");
        value_type(wire::Profile::sample_type, "inuse_objects", "count");
        value_type(wire::Profile::sample_type, "inuse_space", "bytes");
        profile_.add_uint64(wire::Profile::default_sample_type, strings_.add("inuse_space"));
        value_type(wire::Profile::period_type, "space", "bytes");
        profile_.add_int64(wire::Profile::period, 1);  // Nothing is sampled: a block is counted for every byte.
    }

    void sample(const Site& site) {
        location_ids_.clear();
        for (const FrameId id : site.frames) location_ids_.push_back(static_cast<std::uint64_t>(id) + 1);
        const Counters& all = site.counters;
        // Plain differences, so that the reader gets back what was freed even from a reading amid an update (Counters).
        const std::array values{all.allocated_blocks, all.allocated_bytes, all.allocated_blocks - all.freed_blocks,
                                all.allocated_bytes - all.freed_bytes};
        pbf_builder<wire::Sample> message(profile_, wire::Profile::sample);
        message.add_packed_uint64(wire::Sample::location_id, location_ids_.begin(), location_ids_.end());
        message.add_packed_uint64(wire::Sample::value, values.begin(), values.end());
        const std::int64_t pid = snapshot_.processes[site.process].pid;
        label(message, pid_, wire::Label::num, static_cast<std::uint64_t>(pid));
        label(message, domain_, wire::Label::str, static_cast<std::uint64_t>(site.domain));
        label(message, comm_, wire::Label::str, commands_[site.process]);
        if (!snapshot_.threads_apart) return;
        label(message, thread_, wire::Label::num, static_cast<std::uint64_t>(std::int64_t{site.thread}));
        if (site.thread_name != StringId{}) label(message, thread_name_, wire::Label::str, static_cast<std::uint64_t>(site.thread_name));
    }

    static void label(pbf_builder<wire::Sample>& sample, std::uint64_t key, wire::Label field, std::uint64_t value) {
        pbf_builder<wire::Label> message(sample, wire::Sample::label);
        message.add_uint64(wire::Label::key, key);
        message.add_uint64(field, value);
    }

    // One for all frames: it tells pprof that names are known, and its file is what pprof calls the profile's program.
    void mapping() {
        const bool one = snapshot_.processes.size() == 1 && !snapshot_.processes.front().command.empty();
        pbf_builder<wire::Mapping> message(profile_, wire::Profile::mapping);
        message.add_uint64(wire::Mapping::id, kMappingId);
        message.add_uint64(wire::Mapping::filename, strings_.add(one ? snapshot_.processes.front().command : "memtrace-bpf"));
        message.add_bool(wire::Mapping::has_functions, true);
        message.add_bool(wire::Mapping::has_filenames, true);
        message.add_bool(wire::Mapping::has_line_numbers, true);
    }

    void location(std::size_t index) {
        const Frame& frame = snapshot_.frames[index];
        const std::uint64_t function = function_id(frame);
        pbf_builder<wire::Location> message(profile_, wire::Profile::location);
        message.add_uint64(wire::Location::id, index + 1);
        message.add_uint64(wire::Location::mapping_id, kMappingId);
        pbf_builder<wire::Line> line(message, wire::Location::line);
        line.add_uint64(wire::Line::function_id, function);
        line.add_int64(wire::Line::line, frame.line);
        if (frame.column != 0) line.add_int64(wire::Line::column, frame.column);
    }

    // system_name stays empty: pprof takes a name equal to it for a C++ one and strips "<module>" to nothing.
    std::uint64_t function_id(const Frame& frame) {
        const std::uint64_t name = function_name(frame);
        const std::uint64_t key = std::uint64_t{static_cast<std::uint32_t>(frame.file)} << 32 | name;
        const auto [place, added] = functions_.try_emplace(key, functions_.size() + 1);
        if (added) {
            pbf_builder<wire::Function> message(profile_, wire::Profile::function);
            message.add_uint64(wire::Function::id, place->second);
            message.add_uint64(wire::Function::name, name);
            message.add_uint64(wire::Function::filename, static_cast<std::uint64_t>(frame.file));
        }
        return place->second;
    }

    // pprof adds up by name, so a name must not be empty ("<unknown>" is a file), nor a bare offset into some object file.
    std::uint64_t function_name(const Frame& frame) {
        if (snapshot_.text(frame.function).empty()) return static_cast<std::uint64_t>(frame.file);
        if (frame.python || frame.line != 0) return static_cast<std::uint64_t>(frame.function);
        return strings_.add(format_symbol(snapshot_.text(frame.file), snapshot_.text(frame.function)));
    }

    const Snapshot& snapshot_;
    pbf_builder<wire::Profile> profile_;
    StringTable strings_;
    const std::uint64_t pid_ = strings_.add("pid");
    const std::uint64_t domain_ = strings_.add("domain");
    const std::uint64_t comm_ = strings_.add("comm");
    const std::uint64_t thread_ = snapshot_.threads_apart ? strings_.add("thread") : 0;
    const std::uint64_t thread_name_ = snapshot_.threads_apart ? strings_.add("thread_name") : 0;
    std::vector<std::uint64_t> commands_;  ///< String of each process.
    std::unordered_map<std::uint64_t, std::uint64_t> functions_;
    std::vector<std::uint64_t> location_ids_;
};

}  // namespace

Result<std::string> encode_snapshot(const Snapshot& snapshot) {
    if (Result<void> valid = wire::check(snapshot); !valid) return std::move(valid).error().in("cannot be stored");
    std::string raw;
    ProfileWriter(snapshot, raw).run();
    wire::write_our_part(snapshot, raw);
    if (raw.size() > wire::kInflateLimits.max_bytes) {
        return Error{fmt::format("cannot be stored: {} bytes, more than the {} a snapshot file may hold", raw.size(), wire::kInflateLimits.max_bytes),
                     "trace with fewer --frames"};
    }
    Result<std::string> compressed = gzip(raw, kCompressionLevel);
    // So regular that the reader would take it for a bomb: stored as it is (level 0) it cannot be one.
    if (compressed && raw.size() > wire::kInflateLimits.allowed(compressed->size())) return gzip(raw, 0);
    return compressed;
}

}  // namespace memtrace
