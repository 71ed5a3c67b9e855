// What the full-screen display costs with very many rows: processor time, which what else runs here disturbs least.
#include <ctime>

#include <algorithm>

#include "measurements.hpp"
#include "unit/cli/screen_samples.hpp"

namespace memtrace::bench {
namespace {

double cpu_ms() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

std::vector<test::Place> many(std::size_t count) {
    std::vector<test::Place> places;
    for (std::size_t i = 0; i < count; ++i)
        places.push_back({"/srv/shop/module" + std::to_string(i % 100) + ".py", static_cast<std::uint32_t>(i / 100 + 1),
                          "function_" + std::to_string(i % 1000), 1000 + i * 7919 % 100'003, 1 + i % 7});
    return places;
}

template <typename Work>
double median_ms(Work work) {
    constexpr std::size_t rounds = 40;
    std::vector<double> times;
    for (std::size_t i = 0; i < rounds; ++i) {
        const double begin = cpu_ms();
        work(i);
        times.push_back(cpu_ms() - begin);
    }
    std::sort(times.begin(), times.end());
    return times[rounds / 2];
}

double refresh_ms(std::size_t rows) {
    test::ShownModel shown(many(rows));
    const auto one = test::state_of(many(rows), 11), other = test::state_of(many(rows), 12);
    return median_ms([&](std::size_t i) {
        shown.model.take(i % 2 ? one : other);
        shown.draw(120, 40);
    });
}

double key_ms(std::size_t rows) {
    using Kind = cli::screen::Key::Kind;
    test::ShownModel shown(many(rows));
    double most = 0;
    for (const Kind key : {Kind::page_down, Kind::down, Kind::end, Kind::page_up, Kind::home})
        most = std::max(most, median_ms([&](std::size_t) { shown.press(key); }));
    return most;
}

}  // namespace

Result<void> measure_screen(std::vector<Figure>& figures) {
    // Ten of them a second are to take a twentieth of a core.
    figures.push_back({"full-screen display: one refresh of 10 000 rows, table and picture", "ms", refresh_ms(10'000), 5, ""});
    figures.push_back({"full-screen display: one key among 100 000 rows", "ms", key_ms(100'000), 2, ""});
    return {};
}

}  // namespace memtrace::bench
