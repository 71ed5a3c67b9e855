#include "symbolizer/native.hpp"

#include <malloc.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include "symbolizer/address_space.hpp"
#include "symbolizer/bus_guard.hpp"
#include "symbolizer/module.hpp"
#include "symbolizer/perf_map.hpp"

namespace memtrace {
namespace {

// The tracer has 64 MiB for everything.
constexpr std::uint64_t kMaxModuleBytes = std::uint64_t{40} << 20;
constexpr std::ptrdiff_t kMaxModulesWithDebugInformation = 8;
constexpr std::size_t kMaxModules = 64;
// About 300 bytes each.
constexpr std::size_t kMaxCachedResults = 98'304;
constexpr std::size_t kMaxChangedRanges = 64;

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

struct NativeSymbolizer::State {
    struct OpenModule {
        std::optional<ModuleSymbols> module;  // none: it could not be opened
        std::uint64_t last_use = 0;
        [[nodiscard]] bool has_debug_information() const { return module && module->has_debug_information(); }
    };

    using Locations = std::vector<NativeLocation>;

    State(int pid, Debuginfod* debug_servers) : space(pid), servers(debug_servers), made_up(pid) {}

    Locations look_up(std::uint64_t return_address, const AddressSpace::Place& place);
    void forget(const std::function<bool(std::uint64_t)>& which);
    ModuleSymbols* module_of(const AddressSpace::Area& area);
    void keep_within_limits();
    void forget_changed();

    AddressSpace space;
    Debuginfod* servers;
    std::unordered_map<AddressSpace::FileId, OpenModule> modules;
    PerfMap made_up;  // names of code without a file
    std::unordered_map<std::uint64_t, Locations> results;
    std::size_t cached = 0;  // locations in results
    Locations passing;       // not cached: code may be mapped there any time, or a JIT name it later
    std::uint64_t uses = 0;
};

ModuleSymbols* NativeSymbolizer::State::module_of(const AddressSpace::Area& area) {
    if (area.file == AddressSpace::kNoFile) return nullptr;
    auto found = modules.find(area.file);
    if (found == modules.end()) {
        found = modules.try_emplace(area.file).first;
        if (Result<ModuleSymbols> module = ModuleSymbols::open(space.mark(area.file), area.name, space.root(), servers))
            found->second.module.emplace(*std::move(module));
    }
    found->second.last_use = ++uses;
    return found->second.module ? &*found->second.module : nullptr;
}

// After each look-up: closes the least recently used until what is open is within the limits.
void NativeSymbolizer::State::keep_within_limits() {
    for (;;) {
        std::uint64_t bytes = 0;
        std::ptrdiff_t with_debug_information = 0;
        for (const auto& [file, open] : modules) {
            bytes += open.module ? open.module->memory_bytes() : 0;
            with_debug_information += open.has_debug_information() ? 1 : 0;
        }
        const bool too_big = bytes > kMaxModuleBytes || with_debug_information > kMaxModulesWithDebugInformation;
        if (!too_big && modules.size() <= kMaxModules) return;
        auto oldest = modules.end();
        for (auto entry = modules.begin(); entry != modules.end(); ++entry) {
            if (too_big && !entry->second.module) continue;
            if (oldest == modules.end() || entry->second.last_use < oldest->second.last_use) oldest = entry;
        }
        // The one in use stays, unless it is its use that made it big: then a new start is worth its cost.
        const bool in_use = oldest->second.last_use == uses;
        if (in_use && oldest->second.module->grown_bytes() <= kMaxModuleBytes) return;
        modules.erase(oldest);
    }
}

void NativeSymbolizer::State::forget_changed() {
    const std::vector<AddressSpace::Range> changed = space.take_changed();
    // Another program altogether (exec): cheaper to look up again than to search the cache that often.
    if (changed.size() > kMaxChangedRanges) return forget([](std::uint64_t) { return true; });
    for (const auto& [start, end] : changed) forget([start = start, end = end](std::uint64_t address) { return address > start && address <= end; });
}

void NativeSymbolizer::State::forget(const std::function<bool(std::uint64_t)>& which) {
    std::erase_if(results, [&](const auto& entry) {
        const bool gone = which(entry.first);
        if (gone) cached -= entry.second.size();
        return gone;
    });
}

NativeSymbolizer::State::Locations NativeSymbolizer::State::look_up(std::uint64_t return_address, const AddressSpace::Place& place) {
    const std::string& name = place.area->name;
    const bool has_file = place.area->file != AddressSpace::kNoFile;
    // The last byte of the call is known to lie in the area; the address returned to need not.
    const std::uint64_t return_offset = place.file_offset + 1;
    Locations locations;
    BusGuard guard;
    if (ModuleSymbols* module = module_of(*place.area)) {
        for (ModuleSymbols::Name& found : module->names_of_call(return_offset))
            locations.push_back({std::move(found.file), found.line, std::move(found.function), name, true});
    } else if (const std::optional<std::string> found = made_up.find(return_address - 1, space.root())) {
        locations.push_back({.file = "[JIT]", .function = *found, .module = name, .resolved = true});
    }
    if (locations.empty()) locations.push_back({.module = name});
    for (NativeLocation& location : locations) {
        if (location.file.empty()) location.file = has_file ? base_name(name) : name;
        if (location.function.empty()) location.function = fmt::format("{:#x}", return_offset);
    }
    return locations;
}

NativeSymbolizer::NativeSymbolizer(int pid, Debuginfod* servers) : state_(std::make_unique<State>(pid, servers)) {
    // A process that is not there is not the constructor's failure: every address of it is unmapped, and refresh() says why.
    static_cast<void>(refresh());
}
NativeSymbolizer::~NativeSymbolizer() = default;
NativeSymbolizer::NativeSymbolizer(NativeSymbolizer&&) noexcept = default;
NativeSymbolizer& NativeSymbolizer::operator=(NativeSymbolizer&&) noexcept = default;

Result<void> NativeSymbolizer::refresh() {
    Result<void> done = state_->space.refresh();
    state_->forget_changed();
    return done;
}

std::span<const NativeLocation> NativeSymbolizer::resolve_all(std::uint64_t return_address) {
    State& state = *state_;
    if (const auto known = state.results.find(return_address); known != state.results.end()) return known->second;
    const AddressSpace::Place place = state.space.find(return_address - 1);
    state.forget_changed();
    if (place.area == nullptr) {
        state.passing = {{.file = "[unmapped]", .function = fmt::format("{:#x}", return_address), .module = "[unmapped]"}};
        return state.passing;
    }
    State::Locations found = state.look_up(return_address, place);
    state.keep_within_limits();
    if (place.area->file == AddressSpace::kNoFile) {
        state.passing = std::move(found);
        return state.passing;
    }
    if (state.cached + found.size() > kMaxCachedResults) state.forget([](std::uint64_t) { return true; });
    state.cached += found.size();
    return state.results.emplace(return_address, std::move(found)).first->second;
}

void NativeSymbolizer::prepare(std::span<const std::uint64_t> return_addresses) {
    std::vector<std::uint64_t> sorted(return_addresses.begin(), return_addresses.end());
    std::sort(sorted.begin(), sorted.end());
    for (const std::uint64_t address : sorted) resolve_all(address);
}

void NativeSymbolizer::forget() {
    state_->modules.clear();
    state_->forget([](std::uint64_t) { return true; });
}

void NativeSymbolizer::release() {
    state_->modules.clear();
#ifdef __GLIBC__
    // Freed in many small pieces, it would stay with the process otherwise.
    ::malloc_trim(0);
#endif
}

}  // namespace memtrace
