// The collector's look at single blocks: their ages, and which one an address belongs to.
#include <algorithm>
#include <tuple>

#include "reader/collector.hpp"

namespace memtrace {

// Where the clock cannot be read, blocks have no age.
Ages Collector::ages() const {
    const mt_clock& begin = session_.kernel().first_clock();
    const Result<mt_clock> now = session_.kernel().clock();
    return {begin, now ? *now : begin};
}

void Collector::Usage::becomes(Process& process) const {
    process.traced_bytes = 0;
    for (Process::DomainUsage& usage : process.domains) {
        const auto held = bytes.find(usage.domain);
        usage.bytes = held == bytes.end() ? 0 : held->second;
        usage.peak_bytes = std::max(usage.peak_bytes, usage.bytes);
        process.traced_bytes += usage.bytes;
    }
    process.traced_peak_bytes = std::max(process.traced_peak_bytes, process.traced_bytes);
}

std::optional<BlockInfo> Collector::where(int pid, std::uint64_t address) {
    const TracedProcess* process = session_.find(pid);
    if (!process) return std::nullopt;
    const KernelSide& kernel = session_.kernel();
    const std::optional<LiveBlock> found = find_block(kernel.live(), process->slot(), address);
    if (!found || found->block.site >= kernel.sites().size() || !is_ready(kernel.sites()[found->block.site])) return std::nullopt;
    take_in();
    const Site site = read_site(found->block.site, {}, nullptr);
    BlockInfo info;
    info.address = found->address;
    info.size_bytes = found->block.size_bytes;
    info.domain = names_.text(site.domain);
    info.age = ages().of(found->block.time_jiffies);
    info.total_frames = site.total_frames;
    for (const FrameId id : site.frames) {
        const Frame& frame = names_.frame(id);
        info.frames.push_back({names_.text(frame.file), frame.line, names_.text(frame.function), frame.python});
    }
    return info;
}

std::uint64_t Collector::site_identity(std::uint32_t id) const {
    const std::span<const mt_site> sites = session_.kernel().sites();
    return id < sites.size() ? __atomic_load_n(&sites[id].key, __ATOMIC_ACQUIRE) : 0;
}

std::optional<Collector::NumberedSite> Collector::site(std::uint32_t id) {
    const std::span<const mt_site> sites = session_.kernel().sites();
    if (id >= sites.size() || !is_ready(sites[id])) return std::nullopt;
    if (!sites_[id].named) take_in();
    return NumberedSite{read_site(id, read_counters(sites[id]), nullptr), site_identity(id)};
}

Outstanding Collector::outstanding(const BlockBounds& bounds, std::size_t most, const std::function<bool(std::uint32_t)>& passes) {
    const std::span<const mt_site> sites = session_.kernel().sites();
    const Ages ages = this->ages();
    Outstanding found;
    const auto older = [](const Outstanding::Block& a, const Outstanding::Block& b) {
        return std::tie(b.age, a.address) < std::tie(a.age, b.address);
    };
    for_each_block(session_.kernel().live(), [&](std::uint16_t slot, const LiveBlock& live) {
        const std::uint32_t id = live.block.site;
        if (id >= sites.size() || sites[id].slot != slot) return;
        const Outstanding::Block block{live.address, live.block.size_bytes, ages.of(live.block.time_jiffies), id};
        if (!bounds.holds({block.size_bytes, age_step(block.age), 1}) || !passes(id)) return;
        // A heap with the youngest on top: it makes room for older ones.
        found.blocks.push_back(block);
        std::push_heap(found.blocks.begin(), found.blocks.end(), older);
        if (found.blocks.size() <= most) return;
        std::pop_heap(found.blocks.begin(), found.blocks.end(), older);
        found.blocks.pop_back();
        ++found.left_out;
    });
    std::sort_heap(found.blocks.begin(), found.blocks.end(), older);
    return found;
}

}  // namespace memtrace
