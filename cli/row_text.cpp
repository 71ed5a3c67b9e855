#include "row_text.hpp"

#include <fmt/format.h>

#include "format/text.hpp"
#include "terminal.hpp"

namespace memtrace::cli {

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

namespace {

std::string place_text(const Statistic& row, const WhereOptions& options) {
    // Without a line the symbol is the place.
    if (!row.place.by_function) return printable(format_place(row, options.filename_parts));
    return printable(last_path_parts(row.place.file, options.filename_parts)) + "  " + printable(row.place.function);
}

}  // namespace

std::string where_of(const Statistic& row, std::size_t columns, bool unicode, const WhereOptions& options) {
    const std::string place = place_text(row, options);
    std::string function = row.place.by_function || row.function.empty() || !options.function ? "" : "  " + printable(row.function);
    std::string domains = options.domain && row.by != GroupBy::domain ? "  " + row.domains : "";
    if (columns == 0) return place + function + domains;
    std::string text = keep_right(place, columns, unicode);
    std::size_t room = columns - display_width(text);
    if (display_width(domains) > room) domains.clear();
    room -= display_width(domains);
    constexpr std::size_t least_function = 6;
    if (display_width(function) > room) function = room >= least_function ? keep_left(function, room, unicode) : "";
    return text + function + domains;
}

Statistic row_of_frame(const Statistic& row, FrameId frame) {
    Statistic of_frame = row;
    of_frame.by = GroupBy::line;
    of_frame.place = place_of(*row.snapshot, frame, GroupBy::line);
    of_frame.function = row.snapshot->text(row.snapshot->frame(frame).function);
    return of_frame;
}

}  // namespace memtrace::cli
