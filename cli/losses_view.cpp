#include "losses_view.hpp"

#include <fmt/format.h>

#include <vector>

namespace memtrace::cli {
namespace {

void list(std::string& text, const std::vector<std::string>& items, std::size_t column, const char* opening, const Terminal& terminal) {
    const std::string dot = terminal.unicode ? " · " : " - ";
    text += opening;
    bool first = true;
    for (const std::string& item : items) {
        const std::size_t width = display_width(item) + (first ? 0 : display_width(dot));
        if (!first && terminal.columns && column + width > terminal.columns) {
            text += "\n  ";
            column = 2;
            first = true;
        }
        text += (first ? "" : dot) + item;
        column += width;
        first = false;
    }
    text += '\n';
}

}  // namespace

std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, " ");
    return digits;
}

std::string short_count(double number) {
    if (number >= 1e6) return fmt::format("{:.1f} M", number / 1e6);
    if (number >= 1e4) return fmt::format("{:.0f} k", number / 1e3);
    return grouped(static_cast<std::uint64_t>(number));
}

std::string render_losses(const Snapshot& snapshot, const Terminal& terminal) {
    std::uint64_t lost = 0;
    std::vector<std::string> causes, doubts;
    for (const Loss& loss : snapshot.losses) {
        (loss.lost ? causes : doubts).push_back(loss.cause + " " + grouped(loss.count));
        if (loss.lost) lost += loss.count;
    }
    const std::string total = "lost " + grouped(lost);
    std::string text = lost && terminal.colour ? "\033[1;31m" + total + "\033[0m" : total;
    list(text, causes, total.size() + 2, ": ", terminal);
    list(text, doubts, 0, "", terminal);
    return text;
}

}  // namespace memtrace::cli
