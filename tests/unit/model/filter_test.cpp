// The rule of tracemalloc's Snapshot.filter_traces(), for domains.
#include "model/filter.hpp"

#include "support/catch.hpp"

using namespace memtrace;

namespace {

/// Of one site a domain, those that pass.
std::string passing(std::vector<DomainFilter> domains) {
    Snapshot snapshot;
    Interner interner(snapshot);
    const Filters filters{.domains = std::move(domains), .files = {}};
    std::string names;
    for (const char* domain : {"malloc", "mmap", "raw", "mem", "obj"}) {
        const Site site{.domain = interner.string(domain)};
        if (SiteFilter(snapshot, filters).passes(site)) names += std::string(names.empty() ? "" : " ") + domain;
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

namespace {

/// Whether a block passes whose stack is caller.py:1 below /srv/work.pyc:7, and C code below that.
bool passes(FileFilter filter, Lines lines = Lines::python) {
    Snapshot snapshot;
    Interner interner(snapshot);
    const Site site{.domain = interner.string("malloc"),
                    .frames = {interner.frame({"/srv/work.pyc", 7, "f", true}), interner.frame({"caller.py", 1, "g", true}),
                               interner.frame({"work.c", 9, "h", false})}};
    const Filters filters{.domains = {}, .files = {std::move(filter)}};
    return SiteFilter(snapshot, filters, lines).passes(site);
}

}  // namespace

RULE("a file filter looks at the newest frame, or at all when asked to") {
    CHECK(passes({true, "*/work.py"}));
    CHECK_FALSE(passes({true, "caller.py"}));
    CHECK(passes({true, "caller.py", {}, true}));
    CHECK(passes({false, "caller.py"}));
    CHECK_FALSE(passes({false, "caller.py", {}, true}));
    CHECK_FALSE(passes({true, "other.py", {}, true}));
}

RULE("a file filter with a line wants both") {
    CHECK(passes({true, "/srv/*", 7}));
    CHECK_FALSE(passes({true, "/srv/*", 8}));
    CHECK(passes({false, "/srv/*", 8}));
    CHECK(passes({true, "c*", 1, true}));
    CHECK_FALSE(passes({true, "c*", 7, true}));
}

RULE(".pyc is read as .py in the pattern as in the name") {
    CHECK(passes({true, "/srv/work.pyc"}));
    CHECK(passes({true, "*.pyc"}));
    CHECK_FALSE(passes({true, "*.pyc*"}));
}

RULE("filters see the frames that the view shows: native ones below Python code only with native lines") {
    CHECK_FALSE(passes({true, "work.c", {}, true}));
    CHECK(passes({true, "work.c"}, Lines::native));
    CHECK(passes({true, "caller.py", {}, true}, Lines::native));
}

RULE("file filters and domain filters join by one rule") {
    Snapshot snapshot;
    Interner interner(snapshot);
    const Site site{.domain = interner.string("obj"), .frames = {interner.frame({"a.py", 1, "f", true})}};
    const auto passing = [&](std::vector<DomainFilter> domains, std::vector<FileFilter> files) {
        const Filters filters{std::move(domains), std::move(files)};
        return SiteFilter(snapshot, filters).passes(site);
    };
    CHECK(passing({{true, "raw"}}, {{true, "a.py"}}));  // any inclusive one is enough
    CHECK(passing({{true, "obj"}}, {{true, "b.py"}}));
    CHECK_FALSE(passing({{true, "obj"}}, {{false, "a.py"}}));
    CHECK_FALSE(passing({{false, "obj"}}, {{true, "a.py"}}));
}
