#include "probes/hook_list.hpp"

#include <cxxabi.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <memory>

#include "hooks.h"

namespace memtrace {
namespace {

constexpr std::size_t longest_prefix = 64;
enum End : bool { MT_RETURNS, MT_THROWS };

void add_heap(const std::string& prefix, std::vector<Hook>& hooks) {
#define LIBC_HOOK(symbol, domain, shape) \
    if (domain == MT_DOMAIN_MALLOC) hooks.push_back({prefix + #symbol, prefix, HookKind::heap, domain, shape});
    MT_LIBC_HOOKS(LIBC_HOOK)
#undef LIBC_HOOK
#define HEAP_HOOK(symbol, shape) hooks.push_back({prefix + #symbol, prefix, HookKind::heap, MT_DOMAIN_MALLOC, shape});
    MT_HEAP_HOOKS(HEAP_HOOK)
#undef HEAP_HOOK
}

void add_own(std::vector<Hook>& hooks) {
    constexpr std::size_t prefix_length = 3;  // "mi_", "tc_"
#define OWN_HOOK(symbol, first, shape, end) \
    hooks.push_back({#symbol, std::string(#symbol, prefix_length), HookKind::heap, MT_DOMAIN_MALLOC, shape, first, end == MT_THROWS});
    MT_OWN_HOOKS(OWN_HOOK)
#undef OWN_HOOK
#define MIMALLOC_HOOK(name, shape)                                                  \
    hooks.push_back({"mi_" #name, "mi_", HookKind::heap, MT_DOMAIN_MALLOC, shape}); \
    hooks.push_back({"mi_heap_" #name, "mi_", HookKind::heap, MT_DOMAIN_MALLOC, shape, 1});
    MT_MIMALLOC_HOOKS(MIMALLOC_HOOK)
#undef MIMALLOC_HOOK
}

}  // namespace

std::vector<Hook> hook_list(const std::vector<std::string>& prefixes) {
    std::vector<Hook> hooks;
    add_heap("", hooks);
#define LIBC_HOOK(symbol, domain, shape) \
    if (domain == MT_DOMAIN_MMAP) hooks.push_back({#symbol, "", HookKind::mapping, domain, shape});
    MT_LIBC_HOOKS(LIBC_HOOK)
#undef LIBC_HOOK
#define OPERATOR_HOOK(symbol, shape, end) hooks.push_back({#symbol, "", HookKind::operators, MT_DOMAIN_MALLOC, shape, 0, end == MT_THROWS});
    MT_OPERATOR_HOOKS(OPERATOR_HOOK)
#undef OPERATOR_HOOK
    std::vector<std::string> all{
#define PREFIX(prefix) prefix,
        MT_ALLOCATOR_PREFIXES(PREFIX)
#undef PREFIX
    };
    for (const std::string& prefix : prefixes)
        if (!prefix.empty() && std::find(all.begin(), all.end(), prefix) == all.end()) all.push_back(prefix);
    for (const std::string& prefix : all) add_heap(prefix, hooks);
    add_own(hooks);
    return hooks;
}

std::string shown_name(const std::string& symbol) {
    if (!symbol.starts_with("_Z")) return symbol;
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> name(abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), &std::free);
    return name ? std::string(name.get()) : symbol;
}

bool is_allocator_prefix(const std::string& text) {
    const auto part_of_name = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '$'; };
    return !text.empty() && text.size() <= longest_prefix && std::isdigit(static_cast<unsigned char>(text.front())) == 0 &&
           std::all_of(text.begin(), text.end(), part_of_name);
}

}  // namespace memtrace
