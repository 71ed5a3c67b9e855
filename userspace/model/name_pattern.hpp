// Patterns of file names as Python's fnmatch understands them (CPython Lib/fnmatch.py is the contract).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace memtrace {

/// `*` any text, `?` any character, `[set]`, `[!set]`. Nothing else is special: not /, not a leading dot, not a newline. Case counts.
/// Characters are those of code_points().
class NamePattern {
public:
    explicit NamePattern(std::string_view pattern);
    /// Whether the whole name fits. At most |pattern| × |name| steps.
    [[nodiscard]] bool matches(std::string_view name) const;

private:
    struct Range {
        char32_t first, last;  ///< Both inclusive.
    };
    struct Element {
        bool star = false;
        bool negated = false;  ///< Any character that is in no range.
        std::vector<Range> ranges;
        [[nodiscard]] bool holds(char32_t c) const;
    };
    /// The set between the brackets. Python rewrites it into one of a regular expression, whose quirks show.
    static Element set_of(std::u32string_view inside);
    std::vector<Element> elements_;
};

}  // namespace memtrace
