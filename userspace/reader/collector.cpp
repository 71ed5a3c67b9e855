#include "reader/collector.hpp"

#include <sys/utsname.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace memtrace {
namespace {

// A longer table is no function people write; generated ones beyond this show their first line only.
constexpr std::size_t longest_linetable = 1U << 20;
// File names are at most 4095 bytes long; what code objects are made with by hand may be longer.
constexpr std::size_t longest_name = 16384;

std::string kernel_release() {
    utsname names{};
    return uname(&names) == 0 ? names.release : "unknown";
}

template <typename T>
const T* as(std::span<const std::byte> record) {
    return record.size() >= sizeof(T) ? reinterpret_cast<const T*>(record.data()) : nullptr;
}

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

Collector::Collector(Session& session) : session_(session), interner_(names_), sites_(session.kernel().sites().size()) {
    names_.tool_version = MEMTRACE_VERSION;
    names_.kernel = kernel_release();
    added(session.root(), nullptr);
    session_.kernel().on_event([this](std::span<const std::byte> record) { handle(record); });
}

Collector::~Collector() {
    session_.kernel().on_event([](std::span<const std::byte>) {});
}

bool Collector::is_ready(const mt_site& site) { return site.key != 0 && __atomic_load_n(&site.flags, __ATOMIC_ACQUIRE) & MT_SITE_READY; }

bool Collector::consume() {
    take_in();
    return std::exchange(exec_seen_, false);
}

void Collector::take_in() {
    session_.kernel().consume();
    name_pending();
}

// Together, so that each object file is opened once for all of them.
void Collector::name_pending() {
    if (pending_.empty()) return;
    std::map<ProcessNames*, std::vector<std::uint64_t>> addresses;
    for (const std::uint32_t id : pending_) {
        const std::span<const std::uint64_t> words = native_words(id);
        std::vector<std::uint64_t>& of_process = addresses[owner_of(session_.kernel().sites()[id].slot).names.get()];
        of_process.insert(of_process.end(), words.begin(), words.end());
    }
    for (const auto& [names, of_process] : addresses) names->prepare(of_process);
    for (const std::uint32_t id : pending_) name_site(id);
    pending_.clear();
    symbols_in_use_ = true;
}

void Collector::handle(std::span<const std::byte> record) {
    const auto* type = as<std::uint32_t>(record);
    if (!type) return;
    if (*type == MT_EVENT_SITE) {
        if (const auto* event = as<mt_site_event>(record); event && event->site < sites_.size()) pending_.push_back(event->site);
    } else if (*type == MT_EVENT_CODE) {
        if (const auto* event = as<mt_code_event>(record)) handle_code(*event);
    } else if (*type == MT_EVENT_EXEC) {
        exec_seen_ = true;
    } else if (*type == MT_EVENT_MARK) {
        if (const auto* event = as<mt_mark_event>(record)) handle_mark(*event, record);
    }
}

const TracedProcess* Collector::process_at(std::uint32_t index) const {
    const auto& processes = session_.processes();
    const auto found = std::find_if(processes.begin(), processes.end(), [&](const auto& process) { return process->index() == index; });
    return found == processes.end() ? nullptr : found->get();
}

void Collector::handle_code(const mt_code_event& event) {
    const TracedProcess* const known = process_at(event.process);
    if (!known) return;
    const TracedProcess& process = *known;
    const std::vector<PlannedPython>& pythons = process.plan().pythons;
    if (event.interpreter >= pythons.size()) return;
    CodeObjects::Code code;
    code.file = full_text(process.target(), event.filename);
    code.function = full_text(process.target(), event.name);
    code.first_line = event.first_line;
    code.format = static_cast<LineTableFormat>(pythons[event.interpreter].python.linetable_format);
    code.linetable = full_table(process.target(), event);
    codes_.add(event.identity, std::move(code));
}

namespace {

// What was too long for the ring is read from the target, and believed if it still begins with what was copied.
std::vector<std::byte> read_rest(const Target& target, std::uint64_t address, std::size_t size, std::span<const std::byte> copied) {
    if (size <= copied.size()) return {copied.begin(), copied.end()};
    std::vector<std::byte> whole(size);
    const bool same = target.read(address, whole) && std::memcmp(whole.data(), copied.data(), copied.size()) == 0;
    if (!same) whole.assign(copied.begin(), copied.end());
    return whole;
}

}  // namespace

std::string Collector::full_text(const Target& target, const mt_name& name) {
    const std::size_t size = std::min<std::size_t>(std::size_t{name.of.length} * std::min<std::uint32_t>(name.of.kind, 4), longest_name);
    const std::span<const std::byte> copied = std::as_bytes(std::span(name.text)).first(std::min<std::size_t>(size, MT_NAME_BYTES));
    const std::vector<std::byte> text = read_rest(target, name.of.address, size, copied);
    return decode_text(name.of.kind, text, text.size() < std::size_t{name.of.length} * name.of.kind);
}

std::vector<std::byte> Collector::full_table(const Target& target, const mt_code_event& event) {
    const std::size_t size = std::min<std::size_t>(event.linetable_length, longest_linetable);
    const std::span<const std::byte> copied = std::as_bytes(std::span(event.linetable_data)).first(std::min<std::size_t>(size, MT_LINETABLE_BYTES));
    return read_rest(target, event.linetable, size, copied);
}

FrameId Collector::python_frame(std::uint64_t identity, std::uint64_t position) {
    const std::optional<PythonLocation> location = codes_.find(identity, static_cast<std::int32_t>(position));
    if (!location) return unknown_frame();
    const CodePosition& at = location->position;
    return interner_.frame({location->file, at.line, location->function, true, at.end_line, at.column, at.end_column});
}

FrameId Collector::unknown_frame() {
    ++unresolved_;
    return interner_.frame({"<unknown>", 0, "", true});
}

FrameId Collector::native_frame(ProcessNames& names, std::uint64_t address) {
    const NativeLocation& location = names.resolve(address);
    if (!location.resolved) ++unresolved_;
    return interner_.frame({location.file, location.line, location.function, false});
}

// The counts come from shared memory: bounded by the record they count in.
std::span<const std::uint64_t> Collector::python_words(std::uint32_t id) const {
    const std::size_t frames = std::min<std::size_t>(session_.kernel().sites()[id].python_frames, session_.kernel().capacities().frames);
    return session_.kernel().stack(id).first(frames * MT_PYTHON_FRAME_WORDS);
}

std::span<const std::uint64_t> Collector::native_words(std::uint32_t id) const {
    const std::span<const std::uint64_t> words = session_.kernel().stack(id).subspan(python_words(id).size());
    return words.first(std::min<std::size_t>(session_.kernel().sites()[id].native_frames, words.size()));
}

void Collector::name_site(std::uint32_t id) {
    NamedSite& named = sites_[id];
    if (named.named) return;
    const std::span<const std::uint64_t> python = python_words(id);
    for (std::size_t i = 0; i < python.size(); i += MT_PYTHON_FRAME_WORDS)
        named.frames.push_back(python_frame(python[i] & ~MT_CODE_TOLD, python[i + 1]));
    ProcessNames& names = *owner_of(session_.kernel().sites()[id].slot).names;
    for (const std::uint64_t address : native_words(id)) named.frames.push_back(native_frame(names, address));
    if (named.frames.empty()) named.frames.push_back(interner_.frame({"<unknown>", 0, "", true}));
    named.thread_name = interner_.string(session_.kernel().thread_name(id));
    named.named = true;
}

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
    reading.sites.resize(session_.kernel().sites().size());
    reading.losses.resize(MT_LOSS_COUNT);
    if (detail != Detail::blocks) return reading;
    std::uint64_t live = 0;
    for (const mt_site& site : session_.kernel().sites())
        if (site.key != 0) live += read_counters(site).live_blocks();
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
    for (std::size_t id = 0; id < reading.sites.size(); ++id) {
        const mt_site& site = kernel.sites()[id];
        if (is_ready(site)) reading.sites[id] = {read_counters(site), true};
    }
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
    const GroupedBlocks blocks =
        result.has_blocks ? GroupedBlocks(reading.blocks.entries(), session_.kernel().sites(), reading.ages) : GroupedBlocks();
    for (std::uint32_t id = 0; id < reading.sites.size(); ++id) {
        if (!reading.sites[id].ready) continue;
        // It became ready since: the news of the code in it came before that. If it has no name then, the news was dropped.
        if (!sites_[id].named) take_in();
        Site site = read_site(id, reading.sites[id].counters, result.has_blocks ? &blocks : nullptr);
        if (site.counters.allocated_blocks > 0) result.sites.push_back(std::move(site));
    }
    add_processes(result);
    fill_probes(reading, result);
    for (std::size_t i = 0; i < MT_LOSS_COUNT; ++i) result.losses.push_back({loss_names[i].name, reading.losses[i], loss_names[i].lost});
    result.losses.push_back({"unresolved", unresolved_, false});
    result.tool_version = names_.tool_version;
    result.kernel = names_.kernel;
    result.time = reading.time;
    result.threads_apart = session_.kernel().capacities().threads_apart;
    result.frame_limit = session_.kernel().capacities().frames;
    result.notes = notes();
    add_marks(reading, result);
    result.strings = names_.strings;
    result.frames = names_.frames;
    return result;
}

}  // namespace memtrace
