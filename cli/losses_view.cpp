#include "losses_view.hpp"

#include <fmt/format.h>

#include <vector>

#include "row_text.hpp"

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
