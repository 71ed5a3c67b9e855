#include "model/name_pattern.hpp"

#include <algorithm>

#include "util/utf8.hpp"

namespace memtrace {

bool NamePattern::Element::holds(char32_t c) const {
    const bool found = std::any_of(ranges.begin(), ranges.end(), [c](const Range& range) { return range.first <= c && c <= range.last; });
    return found != negated;
}

NamePattern::Element NamePattern::set_of(std::u32string_view inside) {
    constexpr auto none = std::u32string_view::npos;
    // The text between the hyphens that make ranges: those with something before them and behind.
    std::vector<std::u32string> chunks;
    std::size_t begin = 0;
    for (std::size_t from = inside[0] == U'!' ? 2 : 1; from < inside.size();) {
        const std::size_t hyphen = inside.find(U'-', from);
        if (hyphen == none) break;
        chunks.emplace_back(inside.substr(begin, hyphen - begin));
        begin = hyphen + 1;
        from = hyphen + 3;
    }
    if (begin < inside.size())
        chunks.emplace_back(inside.substr(begin));
    else
        chunks.back() += U'-';
    // A range from a later to an earlier character vanishes with both.
    for (std::size_t i = chunks.size() - 1; i > 0; --i) {
        if (chunks[i - 1].back() <= chunks[i].front()) continue;
        chunks[i - 1].pop_back();
        chunks[i - 1] += chunks[i].substr(1);
        chunks.erase(chunks.begin() + static_cast<std::ptrdiff_t>(i));
    }
    Element set;
    if (chunks[0].starts_with(U'!')) {
        set.negated = true;
        chunks[0].erase(0, 1);
    }
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        for (const char32_t c : chunks[i]) set.ranges.push_back({c, c});
        if (i == 0) continue;
        // What was before the first hyphen may have gone as the mark of negation: then the hyphen stands for itself.
        if (chunks[i - 1].empty())
            set.ranges.push_back({U'-', U'-'});
        else
            set.ranges.push_back({chunks[i - 1].back(), chunks[i].front()});
    }
    return set;
}

NamePattern::NamePattern(std::string_view pattern) {
    const std::u32string text = code_points(pattern);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == U'*') {
            if (elements_.empty() || !elements_.back().star) elements_.push_back({.star = true, .ranges = {}});
        } else if (text[i] == U'?') {
            elements_.push_back({.negated = true, .ranges = {}});
        } else {
            std::size_t end = i + 1;
            if (text[i] == U'[') {
                if (end < text.size() && text[end] == U'!') ++end;
                end = text.find(U']', end + 1);  // one that comes first belongs to the set
            }
            if (text[i] != U'[' || end >= text.size()) {
                elements_.push_back({.ranges = {{text[i], text[i]}}});
                continue;
            }
            elements_.push_back(set_of(std::u32string_view(text).substr(i + 1, end - i - 1)));
            i = end;
        }
    }
}

bool NamePattern::matches(std::string_view name) const {
    constexpr std::size_t none = ~std::size_t{0};
    const std::u32string text = code_points(name);
    std::size_t at = 0, element = 0, star = none, star_at = 0;
    while (at < text.size() || element < elements_.size()) {
        if (element < elements_.size() && elements_[element].star) {
            star = element++;
            star_at = at;
        } else if (element < elements_.size() && at < text.size() && elements_[element].holds(text[at])) {
            ++element;
            ++at;
        } else if (star != none && star_at < text.size()) {
            // The last star takes one character more: what an earlier one took need not change.
            element = star + 1;
            at = ++star_at;
        } else {
            return false;
        }
    }
    return true;
}

}  // namespace memtrace
