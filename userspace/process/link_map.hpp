// The order in which the dynamic loader looks for names: the program, preloaded libraries, those it needs, and what was loaded later.
#pragma once

#include <cstdint>
#include <vector>

#include "process/target.hpp"

namespace memtrace {

/// What is added to link-time addresses of each object file, in that order. Empty where there is no dynamic loader, or not yet: it
/// writes its list for debuggers (r_debug), which is read here.
std::vector<std::uint64_t> biases_in_search_order(const Target& target);

}  // namespace memtrace
