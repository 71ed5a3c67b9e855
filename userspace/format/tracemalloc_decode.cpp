// Pickle of tracemalloc → Snapshot. What the machine read is looked at by shape; any other shape is an Error.
#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "format/pickle_codes.hpp"
#include "format/pickle_machine.hpp"
#include "format/snapshot_wire.hpp"
#include "format/tracemalloc_file.hpp"

namespace memtrace {
namespace {

using pickle::Kind;
using pickle::Value;

/// A name as the target spells it: surrogates U+DC80 to U+DCFF stand for bytes that are no UTF-8.
std::string from_python(std::string_view utf8) {
    std::string name;
    for (std::size_t i = 0; i < utf8.size(); ++i) {
        const auto byte = [&](std::size_t k) { return i + k < utf8.size() ? static_cast<unsigned char>(utf8[i + k]) : 0U; };
        const bool escape = byte(0) == 0xed && (byte(1) == 0xb2 || byte(1) == 0xb3) && (byte(2) & 0xc0) == 0x80;
        if (!escape) {
            name += utf8[i];
            continue;
        }
        name += static_cast<char>((byte(1) & 0x3) << 6 | (byte(2) & 0x3f));
        i += 2;
    }
    return name;
}

class Decoder {
public:
    explicit Decoder(const pickle::Machine& from) : from_(from) {
        snapshot_.processes.resize(1);
        snapshot_.has_blocks = true;
        snapshot_.notes.emplace_back(
            "Imported from a snapshot of Python's tracemalloc: ages, functions, and what was freed are not known; domain \"python\" is raw, mem and "
            "obj.");
    }

    Result<Snapshot> run(const Value& root) {
        const Value state = from_.state(root, Kind::snapshot_class);
        const Value traces = from_.item(from_.state(from_.item(state, "traces"), Kind::traces_class), "_traces");
        if (traces.kind != Kind::list && traces.kind != Kind::tuple) return shape("it has no list of blocks");
        const Value limit = from_.item(state, "traceback_limit");
        if (limit.kind != Kind::integer || limit.number > ~std::uint32_t{0}) return shape("its traceback limit is no number");
        snapshot_.frame_limit = static_cast<std::uint32_t>(limit.number);
        for (const Value& trace : traces.kind == Kind::list ? from_.list(traces) : from_.tuple(traces)) {
            if (Result<void> added = add(trace); !added) return std::move(added).error();
        }
        count();
        return std::move(snapshot_);
    }

private:
    static Error shape(const char* reason) { return Error{fmt::format("not a tracemalloc snapshot, or damaged: {}", reason)}; }

    /// (domain, size, frames), and since Python 3.9 the true depth; what later versions may add is left alone.
    Result<void> add(const Value& trace) {
        if (trace.kind != Kind::tuple || trace.size < 3) return shape("a block is no tuple of domain, size and frames");
        const std::span<const Value> parts = from_.tuple(trace);
        const Value &domain = parts[0], &size = parts[1], &frames = parts[2];
        if (domain.kind != Kind::integer || domain.number > ~std::uint32_t{0}) return shape("a block's domain is no number");
        if (size.kind != Kind::integer || size.number >> 63 != 0) return shape("a block's size is no number");
        if (frames.kind != Kind::tuple || frames.size == 0) return shape("a block has no frames");
        std::uint64_t depth = 0;
        if (parts.size() > 3 && parts[3].kind != Kind::none) {
            if (parts[3].kind != Kind::integer || parts[3].number > ~std::uint32_t{0}) return shape("a block's depth is no number");
            depth = parts[3].number;
        }
        // Blocks of one place mostly share the tuple of their frames.
        const auto [known, added] = sites_by_tuple_.try_emplace({frames.number, domain.number, depth}, 0);
        if (added) {
            const Result<std::uint32_t> index = site(static_cast<std::uint32_t>(domain.number), from_.tuple(frames), depth);
            if (!index) return index.error();
            known->second = *index;
        }
        sizes_.emplace_back(known->second, size.number);
        return {};
    }

    Result<std::uint32_t> site(std::uint32_t domain, std::span<const Value> frames, std::uint64_t depth) {
        Site site{.domain = domain_name(domain)};
        site.total_frames = static_cast<std::uint32_t>(std::max<std::uint64_t>(depth, frames.size()));
        for (const Value& frame : frames.first(std::min(frames.size(), wire::kMaxStackFrames))) {
            const std::optional<FrameId> id = frame_of(frame, frames.size() == 1);
            if (!id) return shape("a frame is no tuple of a file and a line");
            site.frames.push_back(*id);
        }
        snapshot_.sites.push_back(std::move(site));
        const auto last = static_cast<std::uint32_t>(snapshot_.sites.size() - 1);
        const auto [equal, added] = sites_.insert(last);
        if (!added) snapshot_.sites.pop_back();
        return *equal;
    }

    std::optional<FrameId> frame_of(const Value& frame, bool alone) {
        if (frame.kind != Kind::tuple || frame.size != 2) return std::nullopt;
        const auto [known, added] = frames_by_tuple_.try_emplace(2 * frame.number + (alone ? 1 : 0));
        if (!added) return known->second;
        const Value &file = from_.tuple(frame)[0], &line = from_.tuple(frame)[1];
        if (file.kind != Kind::text || line.kind != Kind::integer || line.number > ~std::uint32_t{0}) return std::nullopt;
        const std::string name = from_python(from_.text(file));
        const bool unknown = alone && name == "<unknown>" && line.number == 0;
        return known->second = interner_.frame({name, static_cast<std::uint32_t>(line.number), "", !unknown});
    }

    StringId domain_name(std::uint32_t number) {
        switch (number) {
            case 0: return interner_.string("python");
            case 1: return interner_.string("malloc");
            case 2: return interner_.string("mmap");
            default: return interner_.string(fmt::format("domain {}", number));
        }
    }

    void count() {
        std::sort(sizes_.begin(), sizes_.end());
        for (const auto& [index, size] : sizes_) {
            Site& site = snapshot_.sites[index];
            if (site.blocks.empty() || site.blocks.back().size_bytes != size) site.blocks.push_back({size, AgeStep{}, 0});
            ++site.blocks.back().count;
            site.counters += Counters{1, size, 0, 0};
            snapshot_.processes.front().traced_bytes += size;
        }
        snapshot_.processes.front().traced_peak_bytes = snapshot_.processes.front().traced_bytes;
    }

    struct TupleKey {
        std::uint64_t frames, domain, depth;
        bool operator==(const TupleKey&) const = default;
    };
    struct Hash {
        const Snapshot* snapshot;
        std::size_t operator()(const TupleKey& key) const { return (key.frames * 31 + key.domain) * 0x9e3779b97f4a7c15U + key.depth; }
        std::size_t operator()(std::uint32_t index) const {
            const Site& site = snapshot->sites[index];
            std::uint64_t hash = static_cast<std::uint64_t>(site.domain) * 31 + site.total_frames;
            for (const FrameId id : site.frames) hash = (hash ^ static_cast<std::uint64_t>(id)) * 0x9e3779b97f4a7c15U + (hash >> 29);
            return hash;
        }
    };
    struct SameSite {
        const Snapshot* snapshot;
        bool operator()(std::uint32_t a, std::uint32_t b) const {
            const Site &left = snapshot->sites[a], &right = snapshot->sites[b];
            return left.domain == right.domain && left.total_frames == right.total_frames && left.frames == right.frames;
        }
    };

    const pickle::Machine& from_;
    Snapshot snapshot_;
    Interner interner_{snapshot_};
    std::unordered_map<TupleKey, std::uint32_t, Hash> sites_by_tuple_{0, Hash{&snapshot_}};
    std::unordered_set<std::uint32_t, Hash, SameSite> sites_{0, Hash{&snapshot_}, SameSite{&snapshot_}};
    std::unordered_map<std::uint64_t, FrameId> frames_by_tuple_;
    std::vector<std::pair<std::uint32_t, std::uint64_t>> sizes_;  ///< Of each block: its site and size.
};

}  // namespace

bool looks_like_pickle(std::string_view bytes) { return bytes.size() < 2 || (bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5); }

Result<Snapshot> decode_tracemalloc(std::string_view bytes) {
    if (bytes.empty()) return Error{"the file is empty"};
    if (!looks_like_pickle(bytes)) return Error{"not a snapshot of tracemalloc (a pickle in a protocol from 2 to 5)"};
    try {
        pickle::Machine machine(bytes);
        const Result<Value> root = machine.run();
        if (!root) return root.error();
        Result<Snapshot> snapshot = Decoder(machine).run(*root);
        if (!snapshot) return snapshot;
        if (Result<void> valid = wire::check(*snapshot); !valid) return std::move(valid).error();
        return snapshot;
    } catch (const std::bad_alloc&) {
        return Error{"not enough memory to read it"};  // its size was chosen by whoever wrote the file
    }
}

}  // namespace memtrace
