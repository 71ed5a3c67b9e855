#include "control/traces.hpp"

#include <map>

#include "control/json.hpp"

namespace memtrace::control {
namespace {

int number_of(const std::string& domain) {
    if (domain == "malloc") return 1;
    if (domain == "mmap") return 2;
    return 0;
}

// The same sum in the same number of blocks, as even as it goes.
std::map<std::uint64_t, std::uint64_t> sizes_of(const Site& site) {
    std::map<std::uint64_t, std::uint64_t> sizes;
    for (const BlockGroup& group : site.blocks) sizes[group.size_bytes] += group.count;
    if (!sizes.empty() || site.counters.live_blocks() == 0) return sizes;
    const std::uint64_t blocks = site.counters.live_blocks();
    const std::uint64_t size = site.counters.live_bytes() / blocks;
    const std::uint64_t larger = site.counters.live_bytes() % blocks;
    if (larger > 0) sizes[size + 1] = larger;
    sizes[size] = blocks - larger;
    return sizes;
}

}  // namespace

std::string print_traces(const Snapshot& snapshot) {
    Json frames = Json::array(), sites = Json::array();
    for (const Frame& frame : snapshot.frames) frames.push_back(Json::array({snapshot.text(frame.file), frame.line}));
    for (const Site& site : snapshot.sites) {
        Json sizes = Json::array();
        for (const auto& [size, count] : sizes_of(site)) sizes.push_back(Json::array({size, count}));
        if (sizes.empty()) continue;
        Json stack = Json::array();
        for (const FrameId frame : site.frames) stack.push_back(static_cast<std::uint32_t>(frame));
        sites.push_back(Json::array({number_of(snapshot.text(site.domain)), std::move(stack), site.total_frames, std::move(sizes)}));
    }
    return print({{"traceback_limit", snapshot.frame_limit}, {"frames", std::move(frames)}, {"sites", std::move(sites)}});
}

}  // namespace memtrace::control
