// What a refresh and a key cost with very many rows, in processor time, which what else runs here does not disturb.
#include <ctime>

#include "screen_samples.hpp"
#include "support/catch.hpp"
#include "support/locale.hpp"

using namespace memtrace;
using namespace memtrace::test;
using namespace memtrace::cli::screen;
using Kind = Key::Kind;

namespace {

double cpu_ms() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

// The least of some tries: what else runs here empties our caches.
template <typename Work>
double least_ms(Work work) {
    double least = 1e9;
    for (int i = 0; i < 12; ++i) {
        const double before = cpu_ms();
        work(i);
        least = std::min(least, cpu_ms() - before);
    }
    return least;
}

std::vector<test::Place> many(std::size_t count) {
    std::vector<test::Place> places;
    for (std::size_t i = 0; i < count; ++i)
        places.push_back({"/srv/shop/module" + std::to_string(i % 100) + ".py", static_cast<std::uint32_t>(i / 100 + 1),
                          "function_" + std::to_string(i % 1000), 1000 + i * 7919 % 100'003, 1 + i % 7});
    return places;
}

}  // namespace

RULE("ten refreshes a second of 10 000 rows cost less than a twentieth of a core", "[screen]") {
    const test::Locale locale("C.UTF-8");
    ShownModel shown(many(10'000));
    const auto one = state_of(many(10'000), 11), other = state_of(many(10'000), 12);
    const double ms = least_ms([&](int i) {
        shown.model.take(i % 2 ? one : other);
        shown.draw(120, 40);
    });
    INFO(ms << " ms a refresh");
    CHECK(ms < 5);
}

RULE("100 000 rows scroll at once", "[screen]") {
    const test::Locale locale("C.UTF-8");
    ShownModel shown(many(100'000));
    CHECK(shown.canvas.lines.size() == 24);
    for (const Kind key : {Kind::page_down, Kind::down, Kind::end, Kind::page_up, Kind::home}) {
        const double ms = least_ms([&](int) { shown.press(key); });
        INFO(ms << " ms a key");
        CHECK(ms < 2);
    }
}
