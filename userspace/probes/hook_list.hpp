// bpf/hooks.h as values: every function that may be hooked, under every name it may have.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "memtrace.h"

namespace memtrace {

enum class HookKind : std::uint8_t {
    heap,       ///< A C heap's function. Makes sense only together with the others of its prefix.
    mapping,    ///< mmap and the like.
    operators,  ///< operator new and delete.
};

struct Hook {
    std::string symbol;
    std::string prefix;  ///< Of a heap's names: "", "je_".
    HookKind kind = HookKind::heap;
    mt_domain domain = MT_DOMAIN_MALLOC;
    mt_shape shape = MT_SHAPE_ALLOC;
    unsigned first_argument = 0;
    bool throws = false;  ///< An exception may leave it: no return probe.
};

/// `prefixes`: of the user, beside those that are known.
std::vector<Hook> hook_list(const std::vector<std::string>& prefixes);

/// As reports call it: "malloc", "operator new(unsigned long)".
std::string shown_name(const std::string& symbol);

/// Whether it may stand before C names: letters, digits, _ and $, at most 64.
bool is_allocator_prefix(const std::string& text);

}  // namespace memtrace
