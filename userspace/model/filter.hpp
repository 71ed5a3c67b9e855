// Which blocks of a snapshot count: the filters of tracemalloc's Snapshot.filter_traces().
#pragma once

#include <span>
#include <string>

#include "model/snapshot.hpp"

namespace memtrace {

/// tracemalloc's DomainFilter, with a domain's name for its number.
struct DomainFilter {
    bool inclusive = true;  ///< false: blocks of the domain are left out.
    std::string domain;     ///< "malloc", "mmap", "raw", "mem", "obj".
    bool operator==(const DomainFilter&) const = default;
};

/// Whether the blocks of a site of `snapshot` count: some inclusive filter matches, or there is none; and no exclusive one matches.
/// The order of the filters does not matter.
bool passes(const Snapshot& snapshot, const Site& site, std::span<const DomainFilter> filters);

}  // namespace memtrace
