#include "probes/marks.hpp"

#include <algorithm>
#include <charconv>

#include "probes/function_exits.hpp"
#include "probes/usdt_notes.hpp"

namespace memtrace {
namespace {

// "libshop" is libshop.so, libshop.so.1, libshop-2.31.so; "shop" is libshop.so, too.
bool is_module(const Module& module, const std::string& wanted) {
    if (wanted.empty()) return true;
    const std::string file = module.path.substr(module.path.rfind('/') + 1);
    for (const std::string& name : {wanted, "lib" + wanted})
        if (file.starts_with(name) && (file.size() == name.size() || file[name.size()] == '.' || file[name.size()] == '-')) return true;
    return false;
}

// An exception that passes a function whose return is probed ends the program: its unwinder does not know where the return goes.
bool has_exceptions(const std::vector<Module>& modules) {
    return std::any_of(modules.begin(), modules.end(), [](const Module& module) {
        if (module.image.find_symbol("_Unwind_RaiseException") || module.image.has_section(".gopclntab")) return true;
        // An unwinder may be linked in without a name; the C library has handlers, for the cancelling of threads, and throws nothing.
        return module.image.has_section(".gcc_except_table") && !is_module(module, "libc.so.6");
    });
}

PlannedMark at(const Module& module, std::uint64_t address, std::uint32_t number, mt_mark_kind kind, std::string name) {
    PlannedMark mark;
    mark.name = std::move(name);
    mark.number = number;
    mark.kind = kind;
    mark.attach_path = module.attach_path;
    mark.device = module.mappings.front().device;
    mark.inode = module.mappings.front().inode;
    mark.offset = module.image.offset_of(address).value_or(0);
    return mark;
}

struct Planner {
    const std::vector<Module>& modules;
    const ProbeCosts& costs;
    std::vector<std::string>& notes;
    std::vector<PlannedMark> marks = {};
    std::optional<bool> exceptions = {};

    void add_function(const Module& module, std::uint64_t entry, std::uint32_t number, const std::string& name, const std::string& text) {
        const auto bounds = module.image.function_bounds(entry);
        // A breakpoint in data or inside an instruction, or a return probe inside a function, would break the program.
        if (!bounds || bounds->first != entry) {
            notes.push_back("mark " + text + ": no function is known to begin there");
            return;
        }
        // Before anything but the entry itself has run, and while the return address is on top of the stack.
        const Result<ProbeSite> site = plan_probe(module.image, {.entry = entry, .end = bounds->second, .needs_return = true}, costs);
        if (!site) {
            notes.push_back("mark " + name + ": " + site.error().what);
            return;
        }
        marks.push_back(at(module, site->address, number, MT_MARK_BEFORE, name));
        const FunctionExits exits = exits_of(module.image, entry, bounds->second);
        if (!exits.all && !exceptions) exceptions = has_exceptions(modules);
        if (!exits.all && !*exceptions) {
            marks.push_back(at(module, site->address, number, MT_MARK_AFTER, name));
            marks.back().at_return = true;
            return;
        }
        for (const std::uint64_t address : exits.returns) marks.push_back(at(module, address, number, MT_MARK_AFTER, name));
        if (!exits.all)
            notes.push_back("mark " + name +
                            ": not every end of a call is seen: it may end by calling another function, and a return probe would break exceptions");
    }

    void add_wanted(const WantedMark& wanted, std::uint32_t number) {
        for (const Module& module : modules) {
            if (!is_module(module, wanted.module)) continue;
            if (wanted.symbol.empty()) {
                const std::optional<std::uint64_t> address = module.image.address_of(wanted.offset);
                if (!address) continue;
                add_function(module, *address, number, module.image.describe(*address).value_or(wanted.text), wanted.text);
            } else if (const std::optional<ElfSymbol> symbol = module.image.find_symbol(wanted.symbol)) {
                add_function(module, symbol->address, number, wanted.symbol, wanted.text);
            }
        }
    }
};

}  // namespace

Result<WantedMark> parse_mark(const std::string& text) {
    WantedMark wanted;
    wanted.text = text;
    const Error wrong{"--mark " + text + ": no function", "FUNCTION, LIB:SYMBOL or LIB+0xOFFSET"};
    if (const std::size_t plus = text.rfind("+0x"); plus != std::string::npos) {
        wanted.module = text.substr(0, plus);
        const char* begin = text.c_str() + plus + 3;
        const auto [end, code] = std::from_chars(begin, text.c_str() + text.size(), wanted.offset, 16);
        if (wanted.module.empty() || code != std::errc() || *end != '\0') return wrong;
        return wanted;
    }
    // C++'s own names have two colons.
    std::size_t colon = text.find(':');
    while (colon != std::string::npos && colon + 1 < text.size() && text[colon + 1] == ':') colon = text.find(':', colon + 2);
    if (colon != std::string::npos) wanted.module = text.substr(0, colon);
    wanted.symbol = text.substr(colon == std::string::npos ? 0 : colon + 1);
    if (wanted.symbol.empty() || (colon != std::string::npos && wanted.module.empty())) return wrong;
    return wanted;
}

std::vector<PlannedMark> plan_marks(const std::vector<Module>& modules, const std::vector<WantedMark>& wanted, const ProbeCosts& costs,
                                    std::vector<std::string>& notes) {
    Planner planner{modules, costs, notes};
    for (std::uint32_t number = 0; number < wanted.size(); ++number) planner.add_wanted(wanted[number], number);
    for (const Module& module : modules)
        for (const UsdtProbe& probe : own_marks(module.image)) {
            if (probe.arguments == "8@%rdi")
                planner.marks.push_back(at(module, probe.address, 0, MT_MARK_NAMED, ""));
            else
                notes.push_back("a MEMTRACE_MARK of " + module.path + " hands its name over as \"" + probe.arguments + "\": not seen");
        }
    return std::move(planner.marks);
}

}  // namespace memtrace
