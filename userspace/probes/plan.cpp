#include "probes/plan.hpp"

#include <algorithm>
#include <iterator>

#include "hooks.h"

namespace memtrace {
namespace {

// Arguments a shape reads, as a bit mask counted from its first one.
unsigned arguments_of(mt_shape shape) {
    switch (shape) {
        case MT_SHAPE_ALLOC:
        case MT_SHAPE_FREE:
        case MT_SHAPE_FREE_INNER:
        case MT_SHAPE_FREE_OUTER: return 0b001;
        case MT_SHAPE_ALLOC_ALIGNED:
        case MT_SHAPE_MAP: return 0b010;
        case MT_SHAPE_ALLOC_ARRAY:
        case MT_SHAPE_REALLOC:
        case MT_SHAPE_RESIZE:
        case MT_SHAPE_UNMAP: return 0b011;
        case MT_SHAPE_ALLOC_OUT: return 0b101;
        case MT_SHAPE_EXCEPTION: return 0;
        default: return 0b111;
    }
}

}  // namespace

bool is_free(mt_shape shape) { return shape == MT_SHAPE_FREE || shape == MT_SHAPE_FREE_INNER || shape == MT_SHAPE_FREE_OUTER; }

bool needs_return(mt_shape shape) {
    return shape != MT_SHAPE_FREE && shape != MT_SHAPE_FREE_INNER && shape != MT_SHAPE_UNMAP && shape != MT_SHAPE_EXCEPTION;
}

const char* domain_name(unsigned domain) {
    static constexpr const char* names[] = {
#define DOMAIN(id, name) name,
        MT_DOMAINS(DOMAIN)
#undef DOMAIN
    };
    return domain < std::size(names) ? names[domain] : "?";
}

std::string method_of(const PlannedProbe& probe) {
    return std::string(probe.site.emulated ? "emulated" : "single-stepped") + (probe.at_exits ? ", ret stepped" : "");
}

std::string relative_name(const std::string& name, std::uint64_t entry, std::uint64_t address) {
    return address >= entry ? name + "+" + std::to_string(address - entry) : name + "-" + std::to_string(entry - address);
}

ProbeRequest request_for(const Module& module, std::uint64_t entry, mt_shape shape, unsigned first_argument) {
    ProbeRequest request;
    request.entry = entry;
    const auto bounds = module.image.function_bounds(entry);
    request.end = bounds ? bounds->second : 0;
    request.arguments = static_cast<std::uint8_t>(arguments_of(shape) << first_argument);
    request.needs_return = needs_return(shape);
    if (is_free(shape)) request.null_argument = first_argument;
    return request;
}

void plan_wrappers(const std::vector<Module>& modules, Plan& plan) {
    static constexpr const char* wrappers[] = {
#define WRAPPER(symbol) symbol,
        MT_WRAPPERS(WRAPPER)
#undef WRAPPER
    };
    for (const Module& module : modules) {
        for (const char* wrapper : wrappers) {
            const std::optional<ElfSymbol> symbol = module.image.find_symbol(wrapper);
            if (!symbol) continue;
            const auto bounds = module.image.function_bounds(symbol->address);
            for (const CallSite& call : calls_of(module.image, symbol->address, bounds ? bounds->second : symbol->address + symbol->size))
                if (plan.wrapper_calls.size() < MT_MAX_WRAPPER_CALLS)
                    plan.wrapper_calls.push_back({call.return_address + module.bias, call.caller_at});
        }
    }
}

void add_probe(Plan& plan, const Module& module, PlannedProbe probe, std::uint64_t entry) {
    probe.file = module.path;
    probe.attach_path = module.attach_path;
    probe.device = module.mappings.front().device;
    probe.inode = module.mappings.front().inode;
    probe.offset = module.image.offset_of(probe.site.address).value_or(0);
    probe.symbol = relative_name(probe.hook, entry, probe.site.address);
    const bool known = std::any_of(plan.probes.begin(), plan.probes.end(),
                                   [&](const PlannedProbe& other) { return other.attach_path == probe.attach_path && other.offset == probe.offset; });
    if (known || plan.probes.size() >= MT_MAX_PROBES) return;
    const auto place = needs_return(probe.shape) ? plan.probes.end()
                                                 : std::find_if(plan.probes.begin(), plan.probes.end(),
                                                                [](const PlannedProbe& other) { return needs_return(other.shape); });
    plan.probes.insert(place, std::move(probe));
}

}  // namespace memtrace
