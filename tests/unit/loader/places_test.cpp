// Numbers of probes, shared by processes that run the same files.
#include "loader/places.hpp"

#include "support/catch.hpp"

using namespace memtrace;

namespace {

PlannedProbe probe_at(const std::string& file, std::uint64_t offset) {
    PlannedProbe probe;
    probe.hook = "malloc";
    probe.file = file;
    probe.offset = offset;
    return probe;
}

}  // namespace

RULE("probes at the same place of the same file have one number, all others one of their own") {
    Places places;
    CHECK(places.number(probe_at("libc.so", 4), {}) == 0U);
    CHECK(places.number(probe_at("libc.so", 8), {0}) == 1U);
    CHECK(places.number(probe_at("other.so", 4), {0, 1}) == 2U);
    CHECK(places.number(probe_at("libc.so", 8), {}) == 1U);
    CHECK(places.number(probe_at("libc.so", 4), {1}) == 0U);
    PlannedProbe other_meaning = probe_at("libc.so", 4);
    other_meaning.domain = MT_DOMAIN_RAW;
    CHECK(places.number(other_meaning, {}) == 3U);
    CHECK(places.probes().size() == 4);
}

RULE("within one process two probes never have one number") {
    Places places;
    CHECK(places.number(probe_at("libc.so", 4), {}) == 0U);
    CHECK(places.number(probe_at("libc.so", 4), {0}) == 1U);
    CHECK(places.number(probe_at("libc.so", 4), {0, 1}) == 2U);
}

RULE("there is a highest number") {
    Places places;
    for (std::uint64_t offset = 0; offset < MT_MAX_PLACES; ++offset) REQUIRE(places.number(probe_at("a", offset), {}));
    CHECK_FALSE(places.number(probe_at("a", MT_MAX_PLACES), {}));
    CHECK(places.number(probe_at("a", 7), {}) == 7U);
}
