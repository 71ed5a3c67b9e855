// The rule by which filters join, and what each kind of filter looks at.
#include "model/filter.hpp"

namespace memtrace {
namespace {

bool matches(const DomainFilter& filter, const Snapshot& snapshot, const Site& site) { return filter.domain == snapshot.text(site.domain); }

}  // namespace

bool passes(const Snapshot& snapshot, const Site& site, std::span<const DomainFilter> filters) {
    bool any_inclusive = false, included = false;
    for (const DomainFilter& filter : filters) {
        const bool match = matches(filter, snapshot, site);
        if (match && !filter.inclusive) return false;
        any_inclusive |= filter.inclusive;
        included |= match;
    }
    return included || !any_inclusive;
}

}  // namespace memtrace
