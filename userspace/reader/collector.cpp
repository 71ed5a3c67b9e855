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

}  // namespace memtrace
