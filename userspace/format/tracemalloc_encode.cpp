// Snapshot → pickle, in the operations of protocol 4. What repeats (names, frames, stacks, equal blocks) is written once and referred to.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_map>

#include "format/live_sites.hpp"
#include "format/pickle_codes.hpp"
#include "format/text.hpp"
#include "format/tracemalloc_file.hpp"

namespace memtrace {
namespace {

using pickle::Op;

/// A byte a block and 8 in Python's memory: beyond that nobody could load the file.
constexpr std::uint64_t kMaxBlocks = std::uint64_t{1} << 27;
/// Python's own batches: as many blocks lie on the reader's stack at once.
constexpr std::uint64_t kBatch = 1000;
constexpr std::uint64_t kFirstOtherDomain = 1000;
/// tracemalloc's own limit of frames, and so of what traceback_limit may say.
constexpr std::uint64_t kMaxTracebackLimit = 65535;

/// Python's str of a name, in the UTF-8 that pickles have: bytes that are no UTF-8 are the surrogates U+DC80 to U+DCFF.
std::string as_python(std::string_view name) {
    std::string text;
    while (!name.empty()) {
        const std::size_t length = utf8_character_bytes(name);
        const auto byte = static_cast<unsigned char>(name[0]);
        if (length != 0) {
            text += name.substr(0, length);
        } else {
            text += {'\xed', static_cast<char>(0xb0 | byte >> 6), static_cast<char>(0x80 | (byte & 0x3f))};
        }
        name.remove_prefix(length != 0 ? length : 1);
    }
    return text;
}

class Writer {
public:
    std::string take() && { return std::move(bytes_); }

    void op(Op code) { bytes_ += static_cast<char>(code); }
    void fixed(std::uint64_t value, unsigned size) {
        for (unsigned i = 0; i < size; ++i) bytes_ += static_cast<char>(value >> 8 * i);
    }
    void integer(std::uint64_t value) {
        if (value < 0x100) return with(Op::uint1, value, 1);
        if (value < 0x10000) return with(Op::uint2, value, 2);
        if (value < 0x80000000) return with(Op::int4, value, 4);
        op(Op::long1);
        const unsigned size = value >> 63 != 0 ? 9 : 8;  // the highest bit is the sign
        fixed(size, 1);
        fixed(value, 8);
        fixed(0, size - 8);
    }
    void text(std::string_view utf8) {
        utf8.size() < 0x100 ? with(Op::text1, utf8.size(), 1) : with(Op::text4, utf8.size(), 4);
        bytes_ += utf8;
    }
    void new_object(std::string_view name) {
        text(pickle::kModule);
        text(name);
        op(Op::global_of_stack);
        op(Op::empty_tuple);
        op(Op::new_object);
    }
    /// Of what stands on the reader's stack: its number, by which refer() puts it there again.
    std::uint32_t memoize() {
        op(Op::memoize);
        return memoized_++;
    }
    void refer(std::uint32_t number) { number < 0x100 ? with(Op::get1, number, 1) : with(Op::get4, number, 4); }

private:
    void with(Op code, std::uint64_t value, unsigned size) {
        op(code);
        fixed(value, size);
    }
    std::string bytes_;
    std::uint32_t memoized_ = 0;
};

class Encoder {
public:
    Encoder(const Snapshot& snapshot, Lines lines, bool with_depth)
        : snapshot_(snapshot), lines_(lines), with_depth_(with_depth), frames_(snapshot.frames.size(), kNone) {}

    Result<TracemallocFile> run() {
        to_.op(Op::proto);
        to_.fixed(4, 1);
        to_.new_object(pickle::kSnapshotClass);
        to_.op(Op::empty_dict);
        to_.op(Op::mark);
        to_.text("traces");
        to_.new_object(pickle::kTracesClass);
        to_.op(Op::empty_dict);
        to_.text("_traces");
        to_.op(Op::empty_list);
        for (const Site* site : live_sites(snapshot_)) {
            add(*site);
            if (file_.blocks > kMaxBlocks) {
                return Error{fmt::format("more live blocks than the {} a tracemalloc file may have here", kMaxBlocks), "choose some with --domain"};
            }
        }
        if (begun_) to_.op(Op::appends);
        to_.op(Op::set_item);
        to_.op(Op::build);
        to_.text("traceback_limit");
        to_.integer(std::min<std::uint64_t>(snapshot_.frame_limit, kMaxTracebackLimit));
        to_.op(Op::set_items);
        to_.op(Op::build);
        to_.op(Op::stop);
        file_.bytes = std::move(to_).take();
        return std::move(file_);
    }

private:
    static constexpr std::uint32_t kNone = ~std::uint32_t{0};

    void add(const Site& site) {
        const bool known = live_blocks(snapshot_, site, blocks_);
        if (!known) file_.blocks_split_evenly += site.counters.live_blocks();
        file_.blocks += site.counters.live_blocks();
        if (file_.blocks > kMaxBlocks) return;
        shown_frames(snapshot_, site, lines_, stack_);
        stack_number_ = kNone;
        for (const Blocks& blocks : blocks_) add(site, blocks);
    }

    /// Equal blocks are one tuple, duplicated on the reader's stack; in the next batch, which begins with an empty one, referred to.
    void add(const Site& site, const Blocks& blocks) {
        make_room();
        to_.op(Op::mark);
        to_.integer(domain_number(site.domain));
        to_.integer(blocks.size_bytes);
        stack(blocks_.size() > 1);
        // Frames left out are not counted as truncated: "python" lines are all there are.
        if (with_depth_) to_.integer(std::max<std::uint64_t>(stack_.size(), stack_.size() == site.frames.size() ? site.total_frames : 0));
        to_.op(Op::tuple);
        const bool over = blocks.count > room_;
        const std::uint32_t number = over ? to_.memoize() : kNone;
        --room_;
        for (std::uint64_t left = blocks.count - 1; left > 0; --left) {
            if (make_room()) {
                to_.refer(number);
            } else {
                to_.op(Op::duplicate);
            }
            --room_;
        }
    }

    /// Whether a batch begins.
    bool make_room() {
        if (room_ != 0) return false;
        if (begun_) to_.op(Op::appends);
        begun_ = true;
        to_.op(Op::mark);
        room_ = kBatch;
        return true;
    }

    /// The frames of a site, newest first.
    void stack(bool again) {
        if (stack_number_ != kNone) return to_.refer(stack_number_);
        if (stack_.size() > 3) to_.op(Op::mark);
        for (const FrameId id : stack_) frame(id);
        constexpr std::array kTuples{Op::tuple1, Op::tuple2, Op::tuple3};
        to_.op(stack_.size() > 3 ? Op::tuple : kTuples[stack_.size() - 1]);
        if (again) stack_number_ = to_.memoize();
    }

    void frame(FrameId id) {
        std::uint32_t& number = frames_[static_cast<std::size_t>(id)];
        if (number != kNone) return to_.refer(number);
        const Frame& frame = snapshot_.frame(id);
        std::string file = shown_file(snapshot_, frame);
        const auto [place, added] = files_.try_emplace(std::move(file), kNone);
        if (added) {
            to_.text(as_python(place->first));
            place->second = to_.memoize();
        } else {
            to_.refer(place->second);
        }
        to_.integer(frame.line);
        to_.op(Op::tuple2);
        number = to_.memoize();
    }

    std::uint64_t domain_number(StringId id) {
        const std::string& name = snapshot_.text(id);
        for (const char* python : {"raw", "mem", "obj", "python"}) {
            if (name == python) return 0;
        }
        if (name == "malloc") return 1;
        if (name == "mmap") return 2;
        constexpr std::string_view kPrefix = "domain ";
        std::uint32_t number = 0;
        if (name.starts_with(kPrefix)) {
            const char* end = name.data() + name.size();
            const auto parsed = std::from_chars(name.data() + kPrefix.size(), end, number);
            if (parsed.ec == std::errc{} && parsed.ptr == end) return number;
        }
        return other_domains_.try_emplace(name, kFirstOtherDomain + other_domains_.size()).first->second;
    }

    const Snapshot& snapshot_;
    Lines lines_;
    bool with_depth_;
    Writer to_;
    TracemallocFile file_;
    std::uint64_t room_ = 0;  ///< Left in this batch.
    bool begun_ = false;
    std::vector<Blocks> blocks_;
    std::vector<FrameId> stack_;
    std::uint32_t stack_number_ = kNone;
    std::vector<std::uint32_t> frames_;
    std::unordered_map<std::string, std::uint32_t> files_;
    std::unordered_map<std::string, std::uint64_t> other_domains_;
};

}  // namespace

Result<TracemallocFile> encode_tracemalloc(const Snapshot& snapshot, Lines lines, unsigned minor) {
    constexpr unsigned kFirstWithDepth = 9;
    return Encoder(snapshot, lines, minor >= kFirstWithDepth).run();
}

}  // namespace memtrace
