// The collector's processes: who owns which site, what they hold, and what becomes of it when they end.
#include <algorithm>

#include "loader/usage.hpp"
#include "process/info.hpp"
#include "reader/collector.hpp"

namespace memtrace {
namespace {

// Bytes that sites of processes that have ended may take; the oldest processes' go first.
constexpr std::size_t most_taken_over = 32U << 20;

std::size_t weight_of(const Site& site) { return sizeof site + site.frames.size() * sizeof(FrameId) + site.blocks.size() * sizeof(BlockGroup); }

std::uint64_t load(const std::uint64_t& word) { return __atomic_load_n(&word, __ATOMIC_ACQUIRE); }

}  // namespace

void Collector::added(TracedProcess& process, const TracedProcess* copy_of) {
    auto observed = std::make_unique<Observed>();
    observed->traced = &process;
    observed->process.pid = process.pid();
    Observed* parent = copy_of ? &owner_of(copy_of->slot()) : nullptr;
    if (parent) observed->process.command = parent->process.command;
    observed->names = parent && parent->names ? std::make_shared<ProcessNames>(process.pid(), *parent->names)
                                              : std::make_shared<ProcessNames>(process.pid());
    look_at(*observed);
    own(process.slot(), processes_.size());
    processes_.push_back(std::move(observed));
}

void Collector::code_changed(const TracedProcess& process) {
    take_in();  // what was called by the old code is named by it
    for (const auto& observed : processes_)
        if (observed->traced == &process && observed->names) observed->names->code_changed();
}

void Collector::image_replaced(TracedProcess& process) {
    for (std::size_t i = 0; i < processes_.size(); ++i) {
        if (processes_[i]->traced != &process) continue;
        // What has no name yet (copies of its parent's sites) is named by what was mapped until now.
        const std::span<const mt_site> sites = session_.kernel().sites();
        for (std::uint32_t id = 0; id < sites.size(); ++id)
            if (__atomic_load_n(&sites[id].flags, __ATOMIC_ACQUIRE) & MT_SITE_READY && !sites_[id].named &&
                &owner_of(sites[id].slot) == processes_[i].get())
                name_site(id);
        processes_[i]->names = std::make_shared<ProcessNames>(process.pid());
        own(process.slot(), i);
        look_at(*processes_[i]);
    }
}

void Collector::ended(TracedProcess& process) {
    take_in();
    Observed& observed = owner_of(process.slot());
    observed.process.ended = true;
}

void Collector::own(std::uint16_t slot, std::size_t process) {
    if (owner_of_slot_.size() <= slot) owner_of_slot_.resize(slot + std::size_t{1}, 0);
    owner_of_slot_[slot] = static_cast<std::uint32_t>(process);
}

// Slots come from shared memory; an unknown one is nobody's, and the first process must do.
Collector::Observed& Collector::owner_of(std::uint16_t slot) { return *processes_[slot < owner_of_slot_.size() ? owner_of_slot_[slot] : 0]; }

// A process that has ended keeps the numbers of its last moment that we saw.
void Collector::look_at(Observed& observed) {
    if (!observed.traced || observed.process.ended) return;
    const Result<ProcessInfo> info = read_process(observed.process.pid);
    observed.process.ended = !info || !observed.traced->target().alive() || info->state == 'Z';
    if (observed.process.ended) return;
    observed.process.command = info->command_line;
    observed.process.start_time_ticks = info->start_time_ticks;
    observed.process.rss_bytes = info->rss_bytes;
    observed.process.vms_bytes = info->vms_bytes;
}

void Collector::read_usage(Observed& observed) {
    if (!observed.traced) return;
    const mt_process& kernel = observed.traced->kernel();
    const memtrace::Usage total = memtrace::read_usage(kernel.total);
    observed.process.traced_bytes = total.bytes;
    observed.process.traced_peak_bytes = total.peak_bytes;
    observed.process.domains.clear();
    for (unsigned domain = 0; domain < MT_DOMAIN_COUNT; ++domain) {
        const memtrace::Usage usage = memtrace::read_usage(kernel.domains[domain]);
        observed.process.domains.push_back({interner_.string(domain_name(domain)), usage.bytes, usage.peak_bytes});
    }
}

// Frees before allocations: what is allocated and freed in between never makes the live count negative.
Counters Collector::read_counters(const mt_site& site) {
    Counters counters;
    counters.temporary_blocks = load(site.temporary_blocks);
    counters.freed_blocks = load(site.freed_blocks);
    counters.freed_bytes = load(site.freed_bytes);
    counters.allocated_blocks = load(site.allocated_blocks);
    counters.allocated_bytes = load(site.allocated_bytes);
    return counters;
}

Site Collector::read_site(std::uint32_t id, Counters counters, const GroupedBlocks* blocks) {
    const mt_site& site = session_.kernel().sites()[id];
    if (!sites_[id].named) name_site(id);  // its news was dropped, or it was inherited
    const std::uint32_t process = site.slot < owner_of_slot_.size() ? owner_of_slot_[site.slot] : 0;
    const TracedProcess* traced = processes_[process]->traced;
    Site out;
    out.process = process;
    out.domain = interner_.string(domain_name(site.domain));
    out.frames = sites_[id].frames;
    out.thread = static_cast<std::int32_t>(site.thread);
    out.thread_name = sites_[id].thread_name;
    out.total_frames = std::max<std::uint32_t>(static_cast<std::uint32_t>(out.frames.size()), site.python_total + site.native_total);
    const bool gone = !traced || site.slot != traced->slot();
    if (gone) {
        counters.freed_blocks = counters.allocated_blocks;
        counters.freed_bytes = counters.allocated_bytes;
    }
    out.counters = counters;
    if (blocks && !gone) {
        out.blocks = blocks->of(id);
        agree(out.counters, out.blocks);
    }
    return out;
}

void Collector::forget_ended() {
    take_in();
    drop_cleared();
    if (!session_.has_ended()) return;
    const auto sites = session_.kernel().sites();
    BlockCopy ended;
    ended.take(session_.kernel().live(), &session_.ended_slots());
    const GroupedBlocks blocks(ended.entries(), sites, ages());
    for (std::uint32_t id = 0; id < sites.size(); ++id) {
        if (sites[id].key == 0 || !session_.has_ended(sites[id].slot)) continue;
        Site site = read_site(id, read_counters(sites[id]), &blocks);
        sites_[id] = {};
        if (site.counters.allocated_blocks == 0) continue;
        Observed& owner = *processes_[site.process];
        owner.weight += weight_of(site);
        taken_over_ += weight_of(site);
        owner.sites.push_back(std::move(site));
    }
    for (const auto& observed : processes_) {
        if (!observed->traced || !observed->traced->ended()) continue;
        read_usage(*observed);
        Usage held;
        for (const Site& site : observed->sites) held.add(site);
        held.becomes(observed->process);
        observed->traced = nullptr;
        observed->names.reset();
    }
    session_.forget_ended();
    drop_oldest();
}

// What the session has forgotten since is not shown either.
void Collector::drop_cleared() {
    if (std::exchange(clears_seen_, session_.clears()) == session_.clears()) return;
    for (const auto& observed : processes_) {
        if (observed->traced) continue;
        taken_over_ -= std::exchange(observed->weight, 0);
        observed->sites = {};
        Usage().becomes(observed->process);
        observed->process.traced_peak_bytes = 0;
        for (Process::DomainUsage& usage : observed->process.domains) usage.peak_bytes = 0;
    }
}

void Collector::drop_oldest() {
    for (const auto& observed : processes_) {
        if (taken_over_ <= most_taken_over) return;
        if (observed->traced || observed->sites.empty()) continue;
        taken_over_ -= std::exchange(observed->weight, 0);
        observed->sites = {};
        ++dropped_;
    }
}

std::vector<std::string> Collector::notes() const {
    std::vector<std::string> notes = session_.notes();
    const auto add = [&](const std::vector<std::string>& more) {
        for (const std::string& note : more)
            if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
    };
    for (const auto& process : session_.processes()) {
        add(process->plan().notes);
        add(process->code_notes());
    }
    for (std::string& note : session_.mark_notes()) notes.push_back(std::move(note));
    if (dropped_ > 0) notes.push_back("of " + std::to_string(dropped_) + " processes that ended early only the totals are kept, not their lines");
    return notes;
}

}  // namespace memtrace
