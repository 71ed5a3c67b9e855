// Which functions of which files are heaps, and how each of them is seen.
#include <algorithm>
#include <map>
#include <set>

#include "hooks.h"
#include "probes/forwarding.hpp"
#include "probes/function_exits.hpp"
#include "probes/hook_list.hpp"
#include "probes/plan.hpp"

namespace memtrace {
namespace {

struct FoundHook {
    const Hook* hook;
    std::uint64_t entry;
};

// What one file defines of the hooks.
struct Heap {
    const Module* module;
    std::vector<FoundHook> hooks;
    std::set<std::uint64_t> entries;
    std::set<std::string> prefixes;  // of complete allocators
    [[nodiscard]] bool is_allocator() const { return !prefixes.empty(); }
    [[nodiscard]] bool is_c_heap() const { return prefixes.contains(""); }
};

Heap look_into(const Module& module, const std::vector<Hook>& hooks, const std::vector<std::string>& symbols) {
    Heap heap{&module, {}, {}, {}};
    const std::vector<std::optional<ElfSymbol>> found = module.image.find_symbols(symbols);
    std::map<std::string, unsigned> parts;
    for (std::size_t i = 0; i < hooks.size(); ++i) {
        if (!found[i] || hooks[i].kind != HookKind::heap) continue;
        if (symbols[i] == hooks[i].prefix + "malloc") parts[hooks[i].prefix] |= 1;
        if (symbols[i] == hooks[i].prefix + "free") parts[hooks[i].prefix] |= 2;
    }
    for (const auto& [prefix, both] : parts)
        if (both == 3) heap.prefixes.insert(prefix);
    for (std::size_t i = 0; i < hooks.size(); ++i) {
        if (!found[i] || (hooks[i].kind != HookKind::operators && !heap.prefixes.contains(hooks[i].prefix))) continue;
        heap.hooks.push_back({&hooks[i], found[i]->address});
        heap.entries.insert(found[i]->address);
    }
    return heap;
}

class HeapPlanner {
public:
    HeapPlanner(const std::vector<Heap>& heaps, const ProbeCosts& costs, Plan& plan) : costs_(costs), plan_(plan) {
        for (const Heap& heap : heaps)
            for (const FoundHook& found : heap.hooks) {
                names_.insert(found.hook->symbol);
                if (returns(*found.hook)) returning_.insert(found.hook->symbol);
            }
    }

    // `first`: of those that define malloc, the one that the others' callers find. Aliases are known by the names of the C library, else by
    // C++'s.
    Result<void> add(const Heap& heap, bool first) {
        const auto is_c = [](const FoundHook& found) { return found.hook->kind != HookKind::operators && found.hook->prefix.empty(); };
        const auto is_own = [](const FoundHook& found) { return !found.hook->prefix.empty(); };
        if (auto done = add_functions(heap, is_c, !first); !done) return done;
        if (auto done = add_operators(heap); !done) return done;
        return add_functions(heap, is_own, false);
    }

private:
    Result<void> add_functions(const Heap& heap, bool (*which)(const FoundHook&), bool inner) {
        for (const FoundHook& found : heap.hooks) {
            if (!which(found) || (found.hook->kind == HookKind::heap && hands_on(heap, found))) continue;
            const mt_shape shape = found.hook->shape;
            if (auto done = add_hook(heap, found, inner && shape == MT_SHAPE_FREE ? MT_SHAPE_FREE_INNER : shape); !done) return done;
        }
        return {};
    }

    Result<void> add_operators(const Heap& heap) {
        for (const FoundHook& found : operators_to_probe(heap)) {
            mt_shape shape = found.hook->shape;
            // One that ends in another heap's function, with a pointer that need not be the block's: what is freed inside is its own business.
            if (shape == MT_SHAPE_FREE && (!heap.is_allocator() || may_call(heap.module->image, found.entry, hooked_in(heap))))
                shape = MT_SHAPE_FREE_OUTER;
            if (auto done = add_hook(heap, found, shape); !done) return done;
        }
        return {};
    }

    [[nodiscard]] IsHooked hooked_in(const Heap& heap) const {
        return [this, &heap](const CodeTarget& target) {
            return target.address != 0 ? heap.entries.contains(target.address) : names_.contains(target.import);
        };
    }

    [[nodiscard]] bool jumps(const Heap& heap, const FoundHook& found) const {
        const Request request = is_free(found.hook->shape) ? Request::release : Request::allocation;
        return jumps_on(heap.module->image, found.entry, hooked_in(heap), request);
    }

    // The function it hands requests on to is probed alone.
    [[nodiscard]] bool hands_on(const Heap& heap, const FoundHook& found) const {
        return jumps(heap, found) || (found.hook->throws && always_calls(heap.module->image, found.entry, hooked_in(heap)));
    }

    // News and deletes of a file are looked through together or not at all: they may agree on something of their own before each block.
    // An allocator's agree with the allocator.
    [[nodiscard]] std::vector<FoundHook> operators_to_probe(const Heap& heap) const {
        std::vector<FoundHook> own, calling;
        for (const FoundHook& found : heap.hooks) {
            if (found.hook->kind != HookKind::operators || jumps(heap, found)) continue;
            const bool calls = !is_free(found.hook->shape) && always_calls(heap.module->image, found.entry, hooked_in(heap));
            (calls ? calling : own).push_back(found);
        }
        const bool own_news = std::any_of(own.begin(), own.end(), [](const FoundHook& found) { return !is_free(found.hook->shape); });
        if (!own.empty() && !(heap.is_allocator() && own_news)) own.insert(own.end(), calling.begin(), calling.end());
        return own;
    }

    Result<void> add_hook(const Heap& heap, const FoundHook& found, mt_shape shape) {
        const Hook& hook = *found.hook;
        const ElfImage& image = heap.module->image;
        const ProbeRequest request = request_for(*heap.module, found.entry, shape, hook.first_argument);
        Result<ProbeSite> site = plan_probe(image, request, costs_);
        if (!site && (hook.symbol == hook.prefix + "malloc" || hook.symbol == hook.prefix + "free"))
            return std::move(site).error().in("planning " + hook.symbol).in(heap.module->path);
        if (!site) {
            plan_.notes.push_back("calls of " + shown_name(hook.symbol) + " are not seen: " + site.error().what);
            return {};
        }
        PlannedProbe probe;
        probe.hook = shown_name(hook.symbol);
        probe.domain = hook.domain;
        probe.shape = shape;
        probe.first_argument = hook.first_argument;
        probe.site = *std::move(site);
        if (hook.throws && !take_exits(heap, found, request.end, probe)) return {};
        add_probe(plan_, *heap.module, std::move(probe), found.entry);
        return {};
    }

    // Its return probe sees the end of what has jumped to it, too.
    [[nodiscard]] static bool returns(const Hook& hook) { return hook.kind == HookKind::heap && !is_free(hook.shape) && !hook.throws; }

    [[nodiscard]] bool is_seen_to_return(const Heap& heap, const CodeTarget& target) const {
        if (target.address == 0) return returning_.contains(target.import);
        return std::any_of(heap.hooks.begin(), heap.hooks.end(),
                           [&](const FoundHook& found) { return found.entry == target.address && returns(*found.hook); });
    }

    bool take_exits(const Heap& heap, const FoundHook& found, std::uint64_t end, PlannedProbe& probe) {
        const ElfImage& image = heap.module->image;
        const FunctionExits exits = exits_through(image, found.entry, end, [&](const CodeTarget& target) { return is_seen_to_return(heap, target); });
        if (!exits.all || end == 0) {
            plan_.notes.push_back(heap.module->path + ": what " + probe.hook +
                                  " allocates is not seen: its code has ends that cannot be followed, and a return probe would break exceptions");
            return false;
        }
        probe.at_exits = true;
        for (const std::uint64_t address : exits.returns)
            if (const auto offset = image.offset_of(address)) probe.exits.push_back(*offset);
        probe.site.cost_ns += costs_.entry_ns[static_cast<std::size_t>(InstructionKind::other)] - costs_.return_ns;
        return true;
    }

    const ProbeCosts& costs_;
    Plan& plan_;
    std::set<std::string> names_;
    std::set<std::string> returning_;
};

// Where something may be left by an exception: the moment before.
void plan_exceptions(const std::vector<Module>& modules, const ProbeCosts& costs, Plan& plan) {
    if (std::none_of(plan.probes.begin(), plan.probes.end(), [](const PlannedProbe& probe) { return probe.at_exits; })) return;
    for (const Module& module : modules) {
        const std::optional<ElfSymbol> symbol = module.image.find_symbol(MT_EXCEPTION_HOOK);
        if (!symbol) continue;
        Result<ProbeSite> site = plan_probe(module.image, request_for(module, symbol->address, MT_SHAPE_EXCEPTION, 0), costs);
        if (!site) continue;
        PlannedProbe probe;
        probe.hook = MT_EXCEPTION_HOOK;
        probe.shape = MT_SHAPE_EXCEPTION;
        probe.site = *std::move(site);
        add_probe(plan, module, std::move(probe), symbol->address);
    }
}

bool is_go(const Module& module) { return module.image.has_section(".gopclntab") || module.image.has_section(".go.buildinfo"); }

Error no_allocator(const std::vector<Module>& modules) {
    if (!modules.empty() && is_go(modules.front()))
        return Error{modules.front().path + " is a Go program: Go's own allocator cannot be seen, and it has no C heap beside it",
                     "Go's net/http/pprof shows its heap by line"};
    return Error{"no allocator found: none of the " + std::to_string(modules.size()) + " object files the process executes defines malloc and free",
                 "a statically linked program needs its symbol table (not stripped) for its allocator to be found; one whose allocator has names of "
                 "its own needs --allocator-prefix"};
}

}  // namespace

Result<void> plan_heaps(const std::vector<Module>& modules, const HeapOptions& options, const ProbeCosts& costs, Plan& plan) {
    const std::vector<Hook> hooks = hook_list(options.prefixes);
    std::vector<std::string> symbols;
    for (const Hook& hook : hooks) symbols.push_back(hook.symbol);
    std::vector<Heap> heaps;
    for (const Module& module : modules)
        if (Heap heap = look_into(module, hooks, symbols); !heap.hooks.empty()) heaps.push_back(std::move(heap));
    const auto place = [&](const Heap& heap) {
        return std::find(options.search_order.begin(), options.search_order.end(), heap.module->bias) - options.search_order.begin();
    };
    std::ranges::stable_sort(heaps, {}, place);
    const auto first = std::find_if(heaps.begin(), heaps.end(), [](const Heap& heap) { return heap.is_c_heap(); });
    if (std::none_of(heaps.begin(), heaps.end(), [](const Heap& heap) { return heap.is_allocator(); })) return no_allocator(modules);
    HeapPlanner planner(heaps, costs, plan);
    for (auto heap = heaps.begin(); heap != heaps.end(); ++heap)
        if (auto done = planner.add(*heap, heap == first); !done) return done;
    plan_exceptions(modules, costs, plan);
    if (is_go(modules.front()))
        plan.notes.push_back(modules.front().path + " is a Go program: its own heap is not seen, only what C code in it allocates (cgo)");
    return {};
}

}  // namespace memtrace
