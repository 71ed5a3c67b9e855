#include "symbolizer/range_map.hpp"

#include <limits>

#include "support/catch.hpp"

using memtrace::RangeMap;

RULE("the innermost range around an address answers for it") {
    const RangeMap map({{100, 200, 0, 1}, {120, 150, 1, 2}, {130, 140, 2, 3}, {160, 170, 1, 4}, {300, 310, 0, 5}});
    CHECK_FALSE(map.find(99));
    CHECK(map.find(100) == 1);
    CHECK(map.find(120) == 2);
    CHECK(map.find(135) == 3);
    CHECK(map.find(140) == 2);
    CHECK(map.find(150) == 1);
    CHECK(map.find(165) == 4);
    CHECK(map.find(199) == 1);
    CHECK_FALSE(map.find(200));
    CHECK(map.find(305) == 5);
    CHECK_FALSE(map.find(310));
}

RULE("of ranges with the same start the deeper one is the inner one") {
    const RangeMap map({{100, 110, 2, 3}, {100, 200, 0, 1}, {100, 110, 1, 2}});
    CHECK(map.find(105) == 3);
    CHECK(map.find(110) == 1);
}

RULE("ranges that touch do not run into each other") {
    const RangeMap map({{100, 110, 0, 1}, {110, 120, 0, 2}});
    CHECK(map.find(109) == 1);
    CHECK(map.find(110) == 2);
}

RULE("empty and overlapping ranges cannot break the order of the answers") {
    const RangeMap map({{100, 100, 0, 9}, {200, 150, 0, 9}, {100, 200, 0, 1}, {150, 400, 1, 2}});
    CHECK(map.find(120) == 1);
    CHECK(map.find(180) == 2);
    CHECK_FALSE(map.find(200));
    CHECK_FALSE(RangeMap().find(5));
    constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
    CHECK(RangeMap({{5, kMax, 0, 7}}).find(kMax - 1) == 7);
}
