// The collector's readings of the tables: what is done before, while and after the target stands still.
#include <algorithm>
#include <numeric>

#include "reader/collector.hpp"

namespace memtrace {
namespace {

struct LossName {
    const char* name;
    bool lost;
};
constexpr LossName loss_names[] = {
#define LOSS(id, name, lost) {name, lost == 1},
    MT_LOSSES(LOSS)
#undef LOSS
};

}  // namespace

void Collector::fill_probes(const Reading& reading, Snapshot& snapshot) const {
    double tracing_ns = 0;
    for (std::size_t i = 0; i < reading.hits.size(); ++i) {
        const PlannedProbe& probe = session_.probes()[i];
        const std::string method = method_of(probe) + (probe.redirect.empty() ? "" : ", table redirected: " + probe.redirect);
        snapshot.probes.push_back(
            {probe.hook, probe.file, probe.offset, probe.symbol, probe.site.instruction, method, probe.site.cost_ns, reading.hits[i]});
        snapshot.events += reading.hits[i];
        tracing_ns += static_cast<double>(reading.hits[i]) * probe.site.cost_ns;
    }
    snapshot.traced_for = reading.traced_for;
    snapshot.tracing_cost = snapshot.traced_for.count() > 0 ? tracing_ns / static_cast<double>(snapshot.traced_for.count()) : 0;
}

void Collector::add_processes(Snapshot& snapshot) {
    const std::size_t read_now = snapshot.sites.size();
    std::vector<Usage> held(snapshot.has_blocks ? processes_.size() : 0);
    if (snapshot.has_blocks)
        for (const Site& site : snapshot.sites) held[site.process].add(site);
    for (std::size_t i = 0; i < processes_.size(); ++i) {
        Observed& observed = *processes_[i];
        snapshot.processes.push_back(observed.process);
        if (snapshot.has_blocks && observed.traced) held[i].becomes(snapshot.processes.back());
        snapshot.sites.insert(snapshot.sites.end(), observed.sites.begin(), observed.sites.end());
    }
    if (snapshot.has_blocks) return;
    for (std::size_t i = read_now; i < snapshot.sites.size(); ++i) snapshot.sites[i].blocks.clear();
}

std::uint64_t Collector::lost() const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < MT_LOSS_COUNT; ++i)
        if (loss_names[i].lost) sum += __atomic_load_n(&session_.kernel().losses()[i], __ATOMIC_ACQUIRE);
    return sum;
}

Snapshot Collector::snapshot(Detail detail) {
    Reading reading = begin(detail);
    copy(reading);
    return finish(reading);
}

namespace {

// By their stacks from the oldest frame on: neighbours then share most of theirs, and a file of them is smaller, by 1 to 25 % in generated ones.
void order_by_stack(std::vector<Site>& sites) {
    std::vector<std::uint32_t> order(sites.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        const std::vector<FrameId>&x = sites[a].frames, &y = sites[b].frames;
        const auto differ = std::mismatch(x.rbegin(), x.rend(), y.rbegin(), y.rend());
        if (differ.first != x.rend() && differ.second != y.rend()) return *differ.first < *differ.second;
        return std::pair(x.size(), a) < std::pair(y.size(), b);
    });
    std::vector<Site> ordered;
    ordered.reserve(sites.size());
    for (const std::uint32_t site : order) ordered.push_back(std::move(sites[site]));
    sites = std::move(ordered);
}

}  // namespace

Collector::Reading Collector::begin(Detail detail) {
    // Quiet since the last one: the object files' memory is better given back.
    const bool was_in_use = std::exchange(symbols_in_use_, false);
    take_in();
    if (was_in_use && !symbols_in_use_)
        for (const auto& observed : processes_)
            if (observed->names) observed->names->release();
    drop_cleared();
    for (const auto& observed : processes_) look_at(*observed);
    Reading reading;
    reading.detail = detail;
    reading.losses.resize(MT_LOSS_COUNT);
    std::uint64_t live = 0, sites = 0;
    for (const mt_site& site : session_.kernel().sites()) {
        if (!is_ready(site)) continue;
        live += read_counters(site).live_blocks();
        ++sites;
    }
    reading.sites.resize(sites + sites / 8 + 256);  // touches the memory
    reading.sites.clear();
    if (detail != Detail::blocks) return reading;
    // Counters may be off by what is in flight, never by more blocks than the table has places.
    const std::uint64_t places = session_.kernel().live().size() * MT_BUCKET_SLOTS;
    reading.blocks = BlockCopy(static_cast<std::size_t>(std::min(live + live / 8, places)) + MT_BUCKET_SLOTS);
    return reading;
}

// Blocks before counters: a site is ready before it has a block.
void Collector::copy(Reading& reading) {
    const KernelSide& kernel = session_.kernel();
    if (reading.detail == Detail::blocks) {
        reading.blocks.take(kernel.live());
        reading.ages = ages();
    }
    for (std::uint32_t id = 0; id < kernel.sites().size(); ++id)
        if (const mt_site& site = kernel.sites()[id]; is_ready(site)) reading.sites.push_back({id, read_counters(site)});
    for (const auto& observed : processes_) read_usage(*observed);
    for (std::size_t i = 0; i < MT_LOSS_COUNT; ++i) reading.losses[i] = __atomic_load_n(&kernel.losses()[i], __ATOMIC_ACQUIRE);
    reading.hits = kernel.hits(session_.probes().size());
    reading.time = std::chrono::system_clock::now();
    reading.traced_for = session_.traced_for();
    reading.marks = marks_.size() + marks_dropped_;
}

Snapshot Collector::finish(const Reading& reading) {
    take_in();
    Snapshot result;
    result.has_blocks = reading.detail == Detail::blocks;
    const GroupedBlocks blocks = result.has_blocks ? GroupedBlocks(reading.blocks.entries(), session_.kernel().sites(), reading.ages)
                                                   : GroupedBlocks();
    for (const auto& [id, counters] : reading.sites) {
        // It became ready since: the news of the code in it came before that. If it has no name then, the news was dropped.
        if (!sites_[id].named) take_in();
        Site site = read_site(id, counters, result.has_blocks ? &blocks : nullptr);
        if (site.counters.allocated_blocks > 0) result.sites.push_back(std::move(site));
    }
    add_processes(result);
    if (result.has_blocks) order_by_stack(result.sites);
    fill_probes(reading, result);
    for (std::size_t i = 0; i < MT_LOSS_COUNT; ++i) result.losses.push_back({loss_names[i].name, reading.losses[i], loss_names[i].lost});
    result.losses.push_back({"unresolved", unresolved_, false});
    result.tool_version = names_.tool_version;
    result.kernel = names_.kernel;
    result.time = reading.time;
    result.threads_apart = session_.kernel().capacities().threads_apart;
    result.has_temporaries = true;
    result.frame_limit = session_.kernel().capacities().frames;
    result.notes = notes();
    add_marks(reading, result);
    result.strings = names_.strings;
    result.frames = names_.frames;
    return result;
}

}  // namespace memtrace
