// When probes become too expensive, and which of them go.
#include "loader/guard.hpp"

#include "support/catch.hpp"

using namespace memtrace;
using namespace std::chrono_literals;

namespace {

constexpr double second_ns = 1e9;

// One observation a second: what each group spent in that second, as shares of a core.
struct Load {
    OverheadGuard guard;
    std::chrono::nanoseconds now{};
    std::vector<double> spent;
    std::optional<TooCostly> next(const std::vector<double>& shares) {
        spent.resize(std::max(spent.size(), shares.size()), 0);
        for (std::size_t i = 0; i < shares.size(); ++i) spent[i] += shares[i] * second_ns;
        now += 1s;
        return guard.observe(now, spent);
    }
};

}  // namespace

RULE("below the limit nothing is removed, however long it lasts") {
    Load load{OverheadGuard(0.10)};
    for (int i = 0; i < 100; ++i) CHECK_FALSE(load.next({0.04, 0.05}));
}

RULE("a burst is no reason: only the limit exceeded three times in a row is") {
    Load load{OverheadGuard(0.10)};
    for (int i = 0; i < 10; ++i) {
        CHECK_FALSE(load.next({0.5, 0.1}));
        CHECK_FALSE(load.next({0.5, 0.1}));
        CHECK_FALSE(load.next({0.01, 0.01}));
    }
    CHECK_FALSE(load.next({0.5}));
    CHECK_FALSE(load.next({0.5}));
    CHECK(load.next({0.5}));
}

RULE("the most expensive group over that time goes, with its share and the total") {
    Load load{OverheadGuard(0.10)};
    CHECK_FALSE(load.next({0.1, 0.4, 0.0}));
    CHECK_FALSE(load.next({0.1, 0.1, 0.0}));
    const auto found = load.next({0.4, 0.4, 0.3});
    REQUIRE(found);
    CHECK(found->group == 1);
    CHECK(found->share == Approx(0.3));
    CHECK(found->total_share == Approx(0.6));
}

RULE("after a removal the patience begins anew, and the next group goes only if the rest is still too much") {
    Load load{OverheadGuard(0.10)};
    for (int i = 0; i < 2; ++i) CHECK_FALSE(load.next({0.5, 0.2}));
    CHECK(load.next({0.5, 0.2})->group == 0);
    for (int i = 0; i < 2; ++i) CHECK_FALSE(load.next({0, 0.2}));
    CHECK(load.next({0, 0.2})->group == 1);
    for (int i = 0; i < 10; ++i) CHECK_FALSE(load.next({0, 0}));
}

RULE("groups that appear later count from their beginning; clocks that stand still decide nothing") {
    Load load{OverheadGuard(0.10)};
    CHECK_FALSE(load.next({0.05}));
    CHECK_FALSE(load.guard.observe(load.now, {1e12}));
    for (int i = 0; i < 2; ++i) CHECK_FALSE(load.next({0.05, 0.3}));
    CHECK(load.next({0.05, 0.3})->group == 1);
}
