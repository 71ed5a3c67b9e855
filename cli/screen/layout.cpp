#include "screen/layout.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "screen/state.hpp"

namespace memtrace::cli::screen {
namespace {

unsigned width_of(Field field, std::size_t rows) {
    switch (field) {
        case Field::rank: return std::max<unsigned>(4, static_cast<unsigned>(std::to_string(rows).size()) + 1);
        case Field::change: return 11;
        case Field::share: return 11;
        case Field::count: return 11;
        case Field::rate: return 13;
        case Field::age: return 12;
        case Field::domain: return 9;
        default: return 10;
    }
}

struct Candidate {
    Field field;
    unsigned least_where;  ///< The column is left out where the place had less room with it.
};

std::vector<Candidate> candidates(const LayoutWants& wants) {
    std::vector<Candidate> all;
    if (!wants.columns_asked.empty()) {
        for (const Column column : wants.columns_asked) {
            constexpr unsigned least = 16;
            switch (column) {
                case Column::size: all.insert(all.end(), {{Field::size, least}, {Field::change, least}}); break;
                case Column::count: all.push_back({Field::count, least}); break;
                case Column::average: all.push_back({Field::average, least}); break;
                case Column::allocated: all.push_back({Field::allocated, least}); break;
                case Column::freed: all.push_back({Field::freed, least}); break;
                case Column::rate: all.push_back({Field::rate, least}); break;
                case Column::age: all.push_back({Field::age, least}); break;
                case Column::domain: all.push_back({Field::domain, least}); break;
                // Only the plain display and reports have these.
                case Column::temporary:
                case Column::alloc_rate:
                case Column::free_rate:
                case Column::byte_rate:
                case Column::function: break;
            }
        }
        return all;
    }
    all = {{Field::size, 12}, {Field::change, 20}, {Field::count, 28}};
    if (wants.by == GroupBy::process) all.insert(all.end(), {{Field::rss, 24}, {Field::peak, 24}});
    if (wants.ages) all.push_back({Field::age, 26});
    if (wants.by != GroupBy::domain) all.push_back({Field::domain, 28});
    all.insert(all.end(),
               {{Field::share, 34}, {Field::average, 42}, {Field::trend, 42}, {Field::rate, 46}, {Field::allocated, 90}, {Field::freed, 90}});
    return all;
}

}  // namespace

std::vector<Placed> layout(const LayoutWants& wants) {
    const unsigned rank = width_of(Field::rank, wants.rows) + 1;
    // The place stands a column apart.
    unsigned room = wants.columns > rank + 1 ? wants.columns - rank - 1 : 0;
    std::vector<Field> chosen{Field::rank};
    for (const Candidate& candidate : candidates(wants)) {
        const unsigned width = width_of(candidate.field, wants.rows) + 1;
        if (room < width + candidate.least_where) continue;
        if (std::find(chosen.begin(), chosen.end(), candidate.field) != chosen.end()) continue;
        chosen.push_back(candidate.field);
        room -= width;
    }
    constexpr std::array order{Field::rank, Field::size, Field::change, Field::share,     Field::count, Field::average, Field::rss,   Field::peak,
                               Field::rate, Field::age,  Field::trend,  Field::allocated, Field::freed, Field::where,   Field::domain};
    if (wants.columns_asked.empty())
        std::sort(chosen.begin(), chosen.end(),
                  [&](Field a, Field b) { return std::find(order.begin(), order.end(), a) < std::find(order.begin(), order.end(), b); });
    const auto domain = std::find(chosen.begin(), chosen.end(), Field::domain);
    const bool has_domain = domain != chosen.end();
    if (has_domain) chosen.erase(domain);
    std::vector<Placed> placed;
    unsigned at = 0;
    for (const Field field : chosen) {
        const unsigned width = width_of(field, wants.rows);
        placed.push_back({field, at, width});
        at += width + 1;
    }
    at += at < wants.columns ? 1 : 0;
    const unsigned behind = has_domain ? width_of(Field::domain, wants.rows) + 1 : 0;
    const unsigned where = wants.columns > at + behind ? wants.columns - at - behind : 0;
    placed.push_back({Field::where, at, where});
    if (has_domain) placed.push_back({Field::domain, at + where + 1, behind - 1});
    return placed;
}

std::optional<SortBy> sort_of(Field field) {
    switch (field) {
        case Field::size: return SortBy::size;
        case Field::change: return SortBy::change;
        case Field::count: return SortBy::count;
        case Field::average: return SortBy::average;
        case Field::rate: return SortBy::rate;
        case Field::age: return SortBy::age;
        default: return std::nullopt;
    }
}

const char* head_of(Field field) {
    if (const std::optional<SortBy> sort = sort_of(field)) return head_of(*sort);
    switch (field) {
        case Field::rank: return "#";
        case Field::share: return "SHARE";
        case Field::allocated: return "ALLOCATED";
        case Field::freed: return "FREED";
        case Field::trend: return "TREND";
        case Field::rss: return "RSS";
        case Field::peak: return "PEAK";
        case Field::where: return "WHERE";
        case Field::domain: return "DOMAIN";
        default: return "";
    }
}

}  // namespace memtrace::cli::screen
