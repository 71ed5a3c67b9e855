#include "marks_view.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "format/text.hpp"

namespace memtrace::cli {

std::string render_marks(const Snapshot& snapshot, unsigned rows) {
    if (snapshot.marks.empty()) return {};
    const std::size_t first = snapshot.marks.size() - std::min<std::size_t>(rows, snapshot.marks.size());
    const std::uint64_t earlier = snapshot.marks_dropped + first;
    std::string text = "\nMarks" + (earlier > 0 ? fmt::format(" ({} earlier ones not shown)", earlier) : std::string()) + "\n";
    const bool several = snapshot.processes.size() > 1;
    for (std::size_t i = first; i < snapshot.marks.size(); ++i) {
        const Mark& mark = snapshot.marks[i];
        const std::string pid = several ? fmt::format("{:>8}  ", mark.pid) : "";
        text += fmt::format("{:>6} {:>11}  {}{}\n", snapshot.marks_dropped + i + 1, format_size(mark.traced_bytes), pid, printable(mark.name));
    }
    return text;
}

}  // namespace memtrace::cli
