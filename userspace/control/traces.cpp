#include "control/traces.hpp"

#include "control/json.hpp"
#include "format/live_sites.hpp"

namespace memtrace::control {
namespace {

int number_of(const std::string& domain) {
    if (domain == "malloc") return 1;
    if (domain == "mmap") return 2;
    return 0;
}

// The frames that sites use, in the order in which they are met.
class Frames {
public:
    explicit Frames(const Snapshot& snapshot) : snapshot_(snapshot), numbers_(snapshot.frames.size(), none) {}
    std::uint32_t number(FrameId id) {
        std::uint32_t& number = numbers_[static_cast<std::size_t>(id)];
        if (number == none) {
            number = static_cast<std::uint32_t>(json_.size());
            const Frame& frame = snapshot_.frame(id);
            json_.push_back(Json::array({shown_file(snapshot_, frame), frame.line}));
        }
        return number;
    }
    Json take() { return std::move(json_); }

private:
    static constexpr std::uint32_t none = UINT32_MAX;
    const Snapshot& snapshot_;
    std::vector<std::uint32_t> numbers_;
    Json json_ = Json::array();
};

}  // namespace

std::string print_traces(const Snapshot& snapshot) {
    Frames frames(snapshot);
    Json sites = Json::array();
    std::vector<FrameId> shown;
    std::vector<Blocks> blocks;
    for (const Site* site : live_sites(snapshot)) {
        Json sizes = Json::array(), stack = Json::array();
        live_blocks(snapshot, *site, blocks);
        for (const Blocks& of_size : blocks) sizes.push_back(Json::array({of_size.size_bytes, of_size.count}));
        shown_frames(snapshot, *site, Lines::python, shown);
        for (const FrameId frame : shown) stack.push_back(frames.number(frame));
        sites.push_back(Json::array({number_of(snapshot.text(site->domain)), std::move(stack), site->total_frames, std::move(sizes)}));
    }
    return print({{"traceback_limit", snapshot.frame_limit}, {"frames", frames.take()}, {"sites", std::move(sites)}});
}

}  // namespace memtrace::control
