// The collector's look at single blocks: their ages, and which one an address belongs to.
#include <algorithm>

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

}  // namespace memtrace
