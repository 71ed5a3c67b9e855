#include "python/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "probes/redirect_origin.hpp"
#include "python/interpreter.hpp"

namespace memtrace {
namespace {

// A pointer in a table, taken apart: which function it means, and whether an earlier tracer turned it.
struct Meaning {
    const Module* module = nullptr;
    std::uint64_t entry = 0;  ///< Link-time address of the function.
    bool redirected = false;
    [[nodiscard]] std::uint64_t function() const { return entry + module->bias; }
};

// The equivalent addresses we use ourselves lie in no function's beginning: a jmp inside another function, padding, the
// address after endbr64. A pointer to one of them was left by a tracer that could not restore it.
Result<Meaning> meaning_of(const std::vector<Module>& modules, std::uint64_t pointer) {
    Meaning meaning;
    meaning.module = find_module(modules, pointer);
    if (!meaning.module) return Error{fmt::format("its table points to 0x{:x}, which is no code of a known file", pointer)};
    meaning.entry = pointer - meaning.module->bias;
    if (const std::optional<std::uint64_t> original = redirect_origin(meaning.module->image, meaning.entry)) {
        meaning.entry = *original;
        meaning.redirected = true;
    }
    return meaning;
}

// A table and what it means.
struct Table {
    AllocatorTable raw;  ///< As found.
    std::array<Meaning, table_functions> functions{};
    std::uint64_t original_ctx = 0;  ///< Without an earlier tracer's mark.
    std::uint64_t ctx = 0;           ///< What will stand there.
    bool own = false;                ///< All its functions are CPython's own, which ignore ctx.
};

class PythonPlanner {
public:
    PythonPlanner(const Interpreter& interpreter, const std::vector<Module>& modules, const ProbeCosts& costs, const PythonOptions& options,
                  Plan& plan)
        : interpreter_(interpreter), modules_(modules), costs_(costs), options_(options), plan_(plan) {}

    Result<void> run() {
        for (const AllocatorTable& table : interpreter_.tables) {
            Result<Table> understood = understand(table);
            if (understood)
                tables_.push_back(*std::move(understood));
            else
                plan_.notes.push_back("CPython " + interpreter_.version.text() + ": domain " + domain_name(table.domain) +
                                      " is not traced: " + understood.error().what);
        }
        mark_contexts();
        for (const Table& table : tables_)
            for (std::size_t i = 0; i < table_functions; ++i)
                if (Result<void> done = plan_function(table, i); !done) return done;
        PlannedPython python{interpreter_.version.text(), interpreter_.module->path, interpreter_.python, std::move(entries_)};
        python.python.frees_unseen = std::any_of(unseen_.begin(), unseen_.end(), [](const std::string& hook) { return hook.ends_with(".free"); });
        for (const Table& table : tables_) python.python.contexts[table.raw.domain] = table.ctx;
        plan_.pythons.push_back(std::move(python));
        add_notes();
        return {};
    }

private:
    Result<Table> understand(const AllocatorTable& raw) {
        Table table;
        table.raw = raw;
        table.original_ctx = raw.ctx == raw.address ? 0 : raw.ctx;
        table.own = table.original_ctx == 0 && !interpreter_.defaults.empty();
        note_if_left(raw.address, raw.ctx == raw.address);
        for (std::size_t i = 0; i < table_functions; ++i) {
            Result<Meaning> meaning = meaning_of(modules_, raw.functions[i]);
            if (!meaning) return std::move(meaning).error();
            table.functions[i] = *meaning;
            note_if_left(raw.slot(i), meaning->redirected);
            const bool is_own = std::any_of(interpreter_.defaults.begin(), interpreter_.defaults.end(),
                                            [&](const AllocatorTable& own) { return own.functions[i] == meaning->function(); });
            table.own = table.own && is_own;
        }
        table.ctx = table.original_ctx;
        return table;
    }

    void note_if_left(std::uint64_t slot, bool redirected) {
        if (redirected && std::find(options_.ours.begin(), options_.ours.end(), slot) == options_.ours.end()) left_redirected_ = true;
    }

    [[nodiscard]] std::vector<const Table*> sharing(std::uint64_t function, std::size_t i) const {
        std::vector<const Table*> found;
        for (const Table& table : tables_)
            if (table.functions[i].function() == function) found.push_back(&table);
        return found;
    }

    // Domains that share functions differ by the ctx their callers pass. CPython's own functions ignore it: where it is the same in
    // two tables, one of them gets its own address for it.
    void mark_contexts() {
        for (Table& table : tables_) {
            const std::string name = std::string(domain_name(table.raw.domain)) + ".ctx";
            bool is_shared = false;
            for (std::size_t i = 0; i < table_functions; ++i) is_shared = is_shared || sharing(table.functions[i].function(), i).size() > 1;
            if (options_.redirect && table.own && table.raw.domain != MT_DOMAIN_OBJ && is_shared) table.ctx = table.raw.address;
            // Also one that an earlier tracer left, to put it back at the end.
            if (table.ctx == table.original_ctx && table.raw.ctx == table.original_ctx) continue;
            redirect(name, table.raw.address, table.raw.ctx, table.original_ctx, table.ctx);
            entries_.back().how = "tells " + std::string(domain_name(table.raw.domain)) + " from obj; the functions ignore it";
        }
    }

    void redirect(const std::string& name, std::uint64_t slot, std::uint64_t found, std::uint64_t original, std::uint64_t target) {
        plan_.redirects.push_back({name, slot, found, original, target});
        entries_.push_back({name, slot, original, target, {}});
    }

    Result<void> plan_function(const Table& table, std::size_t i) {
        const Meaning& meaning = table.functions[i];
        const std::vector<const Table*> shared = sharing(meaning.function(), i);
        PlannedProbe probe;
        for (const Table* other : shared) probe.hook += (probe.hook.empty() ? "" : "/") + std::string(domain_name(other->raw.domain));
        probe.hook += std::string(".") + table_layout[i].name;
        probe.shape = table_layout[i].shape;
        // A table with a ctx is an allocator around another one.
        if (probe.shape == MT_SHAPE_FREE && table.original_ctx != 0) probe.shape = MT_SHAPE_FREE_OUTER;
        probe.first_argument = 1;
        probe.interpreter = static_cast<unsigned>(plan_.pythons.size());
        const ProbeRequest request = request_for(*meaning.module, meaning.entry, probe.shape, 1);

        Result<ProbeSite> site = plan_probe(meaning.module->image, request, costs_);
        if (!site) return std::move(site).error().in("planning " + probe.hook);
        probe.site = *std::move(site);
        // Compilers inline what they saw called when they were trained: CPython's own allocators, not those around them.
        const bool guarded = table.original_ctx == 0 && compared_in_code(meaning.module->image, meaning.entry);
        const bool ctx_lost = shared.size() > 1 && table.own && !keeps_ctx(probe.site);
        std::vector<Redirect> redirects;
        if ((guarded || ctx_lost || !probe.site.emulated) && (options_.redirect || meaning.redirected))
            redirects = plan_redirects(meaning.module->image, request, costs_);
        if (guarded && redirects.empty()) unseen_.push_back(probe.hook);
        // To tell domains apart or to be cheaper it must be that, and cost no more.
        if (!guarded) std::erase_if(redirects, [&](const Redirect& other) { return !other.probe.emulated || (ctx_lost && !keeps_ctx(other.probe)); });
        const std::string name = std::string(domain_name(table.raw.domain)) + "." + table_layout[i].name;
        if (redirects.empty()) {
            entries_.push_back({name, table.raw.slot(i), meaning.function(), table.raw.functions[i],
                                guarded ? "inlined copies stay unseen" : "no inlined copies: nothing to redirect"});
        } else {
            const Redirect& chosen = redirects.front();
            probe.site = chosen.probe;
            probe.redirect = chosen.kind;
            redirect(name, table.raw.slot(i), table.raw.functions[i], meaning.function(), chosen.target + meaning.module->bias);
            entries_.back().how = chosen.kind;
        }
        choose_domain(shared, probe);
        add_probe(plan_, *meaning.module, std::move(probe), meaning.entry);
        return {};
    }

    static bool keeps_ctx(const ProbeSite& site) { return site.registers[0] != ProbeSite::lost; }

    // Where one probe serves several domains and their ctx does not tell them apart, blocks are shown in the one that may be called
    // without the GIL, or else in the usual one.
    void choose_domain(const std::vector<const Table*>& shared, PlannedProbe& probe) {
        const auto has = [&](mt_domain domain) {
            return std::any_of(shared.begin(), shared.end(), [&](const Table* table) { return table->raw.domain == domain; });
        };
        probe.domain = has(MT_DOMAIN_RAW) ? MT_DOMAIN_RAW : has(MT_DOMAIN_OBJ) ? MT_DOMAIN_OBJ : shared.front()->raw.domain;
        bool differ = true;
        for (const Table* a : shared)
            for (const Table* b : shared) differ = differ && (a == b || a->ctx != b->ctx);
        probe.domain_by_ctx = shared.size() > 1 && differ && keeps_ctx(probe.site);
        if (shared.size() > 1 && !probe.domain_by_ctx && probe.shape != MT_SHAPE_FREE) mixed_.push_back(probe.hook);
    }

    static std::string list(std::vector<std::string> names) {
        std::sort(names.begin(), names.end());
        names.erase(std::unique(names.begin(), names.end()), names.end());
        std::string text;
        for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
        return text;
    }

    void add_notes() {
        const std::string python = "CPython " + interpreter_.version.text();
        if (left_redirected_)
            plan_.notes.push_back(python + ": allocator tables were left redirected by an earlier tracer; they will be restored at the end");
        if (!unseen_.empty())
            plan_.notes.push_back(python + ": inlined copies of " + list(unseen_) + " are not seen (" +
                                  (options_.redirect ? "no address to redirect to" : "--no-redirect") + "): most small objects are missing");
        if (!mixed_.empty()) plan_.notes.push_back(python + ": domains that share a function are shown as one: " + list(mixed_));
        if (interpreter_.tables.size() < 3) plan_.notes.push_back(python + ": not all allocator tables were found; some domains are missing");
    }

    const Interpreter& interpreter_;
    const std::vector<Module>& modules_;
    const ProbeCosts& costs_;
    const PythonOptions& options_;
    Plan& plan_;
    std::vector<Table> tables_;
    std::vector<PlannedEntry> entries_;
    std::vector<std::string> unseen_;  ///< Hooks with inlined copies that stay.
    std::vector<std::string> mixed_;   ///< Hooks that serve domains which cannot be told apart.
    bool left_redirected_ = false;
};

Result<void> plan_one(const Target& target, const std::vector<Module>& modules, const Module& python, const ProbeCosts& costs,
                      const PythonOptions& options, Plan& plan) {
    const Result<Interpreter> interpreter = examine_interpreter(target, modules, python);
    if (!interpreter) return interpreter.error();
    if (plan.pythons.size() >= MT_MAX_INTERPRETERS)
        return Error{python.path + ": only " + std::to_string(MT_MAX_INTERPRETERS) + " CPythons in one process are followed"};
    Plan with_python = plan;
    if (Result<void> done = PythonPlanner(*interpreter, modules, costs, options, with_python).run(); !done)
        return std::move(done).error().in("CPython " + interpreter->version.text());
    plan = std::move(with_python);
    return {};
}

}  // namespace

void plan_python(const Target& target, const std::vector<Module>& modules, const ProbeCosts& costs, const PythonOptions& options, Plan& plan) {
    for (const Module* python : python_modules(modules)) {
        const Result<void> done = plan_one(target, modules, *python, costs, options, plan);
        if (done) continue;
        plan.notes.push_back("Python is not traced, native allocations are: " + done.error().what +
                             (done.error().hint.empty() ? "" : " (" + done.error().hint + ")"));
    }
}

}  // namespace memtrace
