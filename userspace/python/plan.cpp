#include "python/plan.hpp"

#include "probes/redirect_origin.hpp"
#include "python/tables.hpp"

namespace memtrace {
namespace {

// A pointer in a table, taken apart: which function it means, and whether an earlier tracer turned it.
struct Meaning {
    const Module* module = nullptr;
    std::uint64_t entry = 0;  ///< Link-time address of the function.
    bool redirected = false;
};

// The equivalent addresses we use ourselves lie in no function's beginning: a jmp inside another function, padding, the
// address after endbr64. A pointer to one of them was left by a tracer that could not restore it.
Meaning meaning_of(const std::vector<Module>& modules, std::uint64_t pointer) {
    Meaning meaning;
    meaning.module = find_module(modules, pointer);
    if (!meaning.module) return meaning;
    meaning.entry = pointer - meaning.module->bias;
    if (const std::optional<std::uint64_t> original = redirect_origin(meaning.module->image, meaning.entry)) {
        meaning.entry = *original;
        meaning.redirected = true;
    }
    return meaning;
}

class PythonPlanner {
public:
    PythonPlanner(const Interpreter& interpreter, const std::vector<Module>& modules, const ProbeCosts& costs, const PythonOptions& options,
                  Plan& plan)
        : interpreter_(interpreter), modules_(modules), costs_(costs), options_(options), plan_(plan) {}

    Result<void> run() {
        for (const AllocatorTable& table : interpreter_.tables)
            for (std::size_t i = 0; i < table_functions; ++i)
                if (Result<void> done = plan_function(table, i); !done) return done;
        if (left_redirected_) plan_.notes.push_back("allocator tables were left redirected by an earlier tracer; they will be restored at the end");
        if (unseen_)
            plan_.notes.push_back("CPython's inlined allocator copies are not seen (" +
                                  std::string(options_.redirect ? "no address to redirect to" : "--no-redirect") +
                                  "): most small objects are missing");
        return {};
    }

private:
    // mem and obj share their functions by default: such blocks are shown as obj, since a probe cannot tell who asked. Where all
    // three share (PYTHONMALLOC=malloc) they are shown as raw, the only one that may be called without the GIL.
    mt_domain shown_domain(const AllocatorTable& table, std::size_t i) const {
        for (const mt_domain shown : {MT_DOMAIN_RAW, MT_DOMAIN_OBJ})
            for (const AllocatorTable& other : interpreter_.tables)
                if (other.domain == shown && other.functions[i] == table.functions[i]) return shown;
        return table.domain;
    }

    Result<void> plan_function(const AllocatorTable& table, std::size_t i) {
        const mt_domain domain = shown_domain(table, i);
        const std::string hook = std::string(domain_name(domain)) + "." + table_layout[i].name;
        const Meaning meaning = meaning_of(modules_, table.functions[i]);
        if (!meaning.module) return Error{"the table entry " + hook + " points to no known code"};
        const mt_shape shape = table_layout[i].shape;
        const ProbeRequest request = request_for(*meaning.module, meaning.entry, shape, 1);
        PlannedProbe probe;
        probe.hook = hook;
        probe.domain = domain;
        probe.shape = shape;
        probe.first_argument = 1;

        const bool guarded = compared_in_code(meaning.module->image, meaning.entry);
        std::vector<Redirect> redirects;
        if (guarded && (options_.redirect || meaning.redirected)) redirects = plan_redirects(meaning.module->image, request, costs_);
        if (guarded && redirects.empty()) unseen_ = true;
        if (redirects.empty()) {
            Result<ProbeSite> site = plan_probe(meaning.module->image, request, costs_);
            if (!site) return std::move(site).error().in("planning " + hook);
            probe.site = *std::move(site);
        } else {
            const Redirect& chosen = redirects.front();
            probe.site = chosen.probe;
            probe.redirect = chosen.kind;
            const std::uint64_t bias = meaning.module->bias;
            plan_.redirects.push_back({std::string(domain_name(table.domain)) + "." + table_layout[i].name, table.slot(i), table.functions[i],
                                       meaning.entry + bias, chosen.target + bias});
        }
        if (meaning.redirected) left_redirected_ = true;
        add_probe(plan_, *meaning.module, std::move(probe), meaning.entry);
        return {};
    }

    const Interpreter& interpreter_;
    const std::vector<Module>& modules_;
    const ProbeCosts& costs_;
    const PythonOptions& options_;
    Plan& plan_;
    bool unseen_ = false;
    bool left_redirected_ = false;
};

}  // namespace

Result<void> plan_python(const Target& target, const std::vector<Module>& modules, const ProbeCosts& costs, const PythonOptions& options,
                         Plan& plan) {
    Result<std::optional<Interpreter>> found = find_interpreter(target, modules);
    if (!found) {
        plan.notes.push_back("Python is not traced: " + found.error().what);
        return {};
    }
    if (!*found) return {};
    const Interpreter& interpreter = **found;
    const std::optional<PythonOffsets> offsets = offsets_for(interpreter.version);
    if (!offsets) {
        plan.notes.push_back("Python is not traced: CPython " + interpreter.version.text() + " is not supported yet; its native allocations are");
        return {};
    }
    if (interpreter.tables.empty()) {
        plan.notes.push_back("Python is not traced: CPython " + interpreter.version.text() + "'s allocator tables were not found");
        return {};
    }
    Plan with_python = plan;
    if (Result<void> done = PythonPlanner(interpreter, modules, costs, options, with_python).run(); !done) {
        plan.notes.push_back("Python is not traced: " + done.error().what);
        return {};
    }
    plan = std::move(with_python);
    plan.python = offsets->python;
    plan.python.current_thread = interpreter.runtime + offsets->runtime_current_thread;
    return {};
}

}  // namespace memtrace
