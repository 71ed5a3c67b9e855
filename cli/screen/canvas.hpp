// A finished picture of the screen: lines of styled text. Knows no terminal, so that tests can look at it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memtrace::cli::screen {

/// What a text means; how that looks is the terminal's business.
enum class Style : std::uint8_t { normal, strong, title, head, head_sorted, large, medium, grows, shrinks, spark, mark, loss, key, frozen };
inline constexpr std::size_t style_count = static_cast<std::size_t>(Style::frozen) + 1;

struct Span {
    std::string text;
    Style style = Style::normal;
    bool operator==(const Span&) const = default;
};

/// Texts must be printable() already. Where the terminal shows ASCII only, other characters become '?'.
class Line {
public:
    explicit Line(bool unicode) : unicode_(unicode) {}
    Line& add(std::string_view text, Style style = Style::normal);
    /// Spaces up to the column.
    Line& pad_to(std::size_t column, Style style = Style::normal);
    /// Cuts what is beyond.
    Line& cut_to(std::size_t columns);
    [[nodiscard]] std::size_t width() const { return width_; }
    [[nodiscard]] std::string text() const;
    [[nodiscard]] const std::vector<Span>& spans() const { return spans_; }
    /// The line that keys act on.
    void select() { selected_ = true; }
    [[nodiscard]] bool selected() const { return selected_; }

private:
    bool unicode_;
    bool selected_ = false;
    std::size_t width_ = 0;
    std::vector<Span> spans_;
};

struct Canvas {
    unsigned columns = 80, rows = 24;
    bool unicode = true;
    std::vector<Line> lines;
    std::optional<std::size_t> cursor;  ///< Its column in the last line; none: hidden.

    /// A new last line.
    Line& line() { return lines.emplace_back(unicode); }
    /// All lines, without the spaces at their ends.
    [[nodiscard]] std::string text() const;
};

}  // namespace memtrace::cli::screen
