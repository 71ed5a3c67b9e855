// The rule of tracemalloc's Snapshot.filter_traces(), for domains.
#include "model/filter.hpp"

#include "support/catch.hpp"

using namespace memtrace;

namespace {

using Filters = std::vector<DomainFilter>;

/// Of one site a domain, those that pass.
std::string passing(const Filters& filters) {
    Snapshot snapshot;
    Interner interner(snapshot);
    std::string names;
    for (const char* domain : {"malloc", "mmap", "raw", "mem", "obj"}) {
        const Site site{.domain = interner.string(domain)};
        if (passes(snapshot, site, filters)) names += std::string(names.empty() ? "" : " ") + domain;
    }
    return names;
}

const DomainFilter only_raw{true, "raw"}, only_obj{true, "obj"}, not_raw{false, "raw"}, not_mmap{false, "mmap"};

}  // namespace

RULE("without filters everything passes") { CHECK(passing({}) == "malloc mmap raw mem obj"); }

RULE("with inclusive filters passes what any of them matches") {
    CHECK(passing({only_raw}) == "raw");
    CHECK(passing({only_raw, only_obj}) == "raw obj");
    CHECK(passing({only_obj, only_raw, only_raw}) == "raw obj");
}

RULE("with exclusive filters passes what none of them matches") {
    CHECK(passing({not_mmap}) == "malloc raw mem obj");
    CHECK(passing({not_mmap, not_raw}) == "malloc mem obj");
}

RULE("an exclusive filter wins over an inclusive one, in either order") {
    CHECK(passing({only_raw, only_obj, not_raw}) == "obj");
    CHECK(passing({not_raw, only_raw, only_obj}) == "obj");
    CHECK(passing({only_raw, not_raw}).empty());
    CHECK(passing({only_raw, not_mmap}) == "raw");
}

RULE("a filter matches the whole name of a domain, and one for a domain that does not occur matches nothing") {
    CHECK(passing({{true, "m"}}).empty());
    CHECK(passing({{true, ""}}).empty());
    CHECK(passing({{true, "rawest"}}).empty());
    CHECK(passing({{false, "rawest"}}) == "malloc mmap raw mem obj");
}
