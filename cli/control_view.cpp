#include "control_view.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "format/text.hpp"
#include "terminal.hpp"

namespace memtrace::cli {
namespace {

using control::count_of;
using control::Json;
using control::list_of;
using control::number_of;
using control::text_of;

// 1 204 511: digits in groups of three.
std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, " ");
    return digits;
}

std::string duration(double seconds) {
    const auto whole = static_cast<std::uint64_t>(seconds);
    if (whole < 60) return fmt::format("{:.1f} s", seconds);
    if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
    return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
}

std::string time_of_day(double time) {
    const auto whole = static_cast<std::time_t>(time);
    std::tm local{};
    localtime_r(&whole, &local);
    return fmt::format("{:%Y-%m-%d %H:%M:%S}", local);
}

std::string row(const char* name, const std::string& value) { return fmt::format("  {:<14}{}\n", name, value); }

std::string memory(const Json& json) {
    return fmt::format("{} in {} blocks, peak {}", format_size(count_of(json, "current")), grouped(count_of(json, "blocks")),
                       format_size(count_of(json, "peak")));
}

std::string in_namespace(const Json& process) {
    const auto pid = process.find("namespace_pid");
    if (pid == process.end() || !pid->is_number_integer() || *pid == 0 || process.value("pid", Json()) == *pid) return {};
    return fmt::format(" ({} in its namespace)", pid->get<std::int64_t>());
}

std::string processes(const Json& status) {
    const Json& list = list_of(status, "processes");
    if (list.size() < 2) return {};
    std::string text;
    for (const Json& process : list) {
        const auto ended = process.find("ended");
        text += row(text.empty() ? "processes" : "",
                    fmt::format("pid {}{}  {}  {}{}", count_of(process, "pid"), in_namespace(process), memory(process),
                                printable(text_of(process, "command")), ended != process.end() && *ended == true ? "  (ended)" : ""));
    }
    return text;
}

}  // namespace

std::string render_status(const Json& status) {
    const Json& list = list_of(status, "processes");
    std::string text = fmt::format("pid {}{}  {}\n", count_of(status, "pid"), list.empty() ? "" : in_namespace(list.front()),
                                   printable(text_of(status, "command")));
    text += row("traced for", duration(number_of(status, "traced_for")));
    text += row("memory", memory(status));
    text += processes(status);
    text += row("events", fmt::format("{}, tracing takes about {:.1f} % of a core", grouped(count_of(status, "events")),
                                      number_of(status, "tracing_cost") * 100));
    text += row("lost", grouped(count_of(status, "lost")));
    if (const auto losses = status.find("losses"); losses != status.end() && losses->is_object())
        for (const auto& [cause, count] : losses->items())
            if (count.is_number_unsigned() && count.get<std::uint64_t>() > 0)
                text += row("", fmt::format("{} {}", printable(cause), grouped(count.get<std::uint64_t>())));
    const std::uint64_t on_disk = count_of(status, "checkpoint_disk");
    text += row("checkpoints", fmt::format("{}, {} in memory{}", count_of(status, "checkpoints"), format_size(count_of(status, "checkpoint_memory")),
                                           on_disk ? ", " + format_size(on_disk) + " on disk" : ""));
    text += row("marks", grouped(count_of(status, "marks")));
    text += row("tracer",
                fmt::format("memtrace-bpf {}, {} of memory", printable(text_of(status, "version")), format_size(count_of(status, "own_rss"))));
    if (const std::string log = text_of(status, "log"); !log.empty()) text += row("log", printable(log));
    for (const Json& note : list_of(status, "notes"))
        if (const auto* words = note.get_ptr<const std::string*>()) text += row("note", printable(*words));
    return text;
}

std::string render_block(const Json& block) {
    std::string text = fmt::format("block at {:#x}: {}, {}, {} old\n", count_of(block, "address"), format_size(count_of(block, "size")),
                                   printable(text_of(block, "domain")), duration(number_of(block, "age")));
    const Json& frames = list_of(block, "frames");
    for (const Json& frame : frames) {
        const std::uint64_t line = count_of(frame, "line");
        const std::string file = printable(text_of(frame, "file")), function = printable(text_of(frame, "function"));
        text += "  " + file + (line ? fmt::format(":{}", line) : "") + (function.empty() ? "" : fmt::format("  {}", function)) + "\n";
    }
    if (const std::uint64_t total = count_of(block, "total_frames"); total > frames.size())
        text += fmt::format("  and {} more, beyond --frames\n", total - frames.size());
    return text;
}

std::string render_checkpoints(const Json& answer) {
    const Json& list = list_of(answer, "checkpoints");
    if (list.empty()) return "no checkpoints yet\n";
    std::size_t width = 4;
    for (const Json& checkpoint : list) width = std::max(width, display_width(printable(text_of(checkpoint, "name"))));
    std::string text = fmt::format("{:>4}  {:<19}  {:>10}  {:>11}  {:>11}  NAME\n", "#", "TIME", "MEMORY", "CHANGE", "BLOCKS");
    std::uint64_t number = 0, before = 0;
    for (const Json& checkpoint : list) {
        const std::uint64_t now = count_of(checkpoint, "memory");
        const std::string change = number == 0 ? "" : format_size_diff(static_cast<std::int64_t>(now - before));
        text += fmt::format("{:>4}  {:<19}  {:>10}  {:>11}  {:>11}  {}", ++number, time_of_day(number_of(checkpoint, "time")), format_size(now),
                            change, grouped(count_of(checkpoint, "blocks")), printable(text_of(checkpoint, "name")));
        for (const Json& datum : list_of(checkpoint, "user_data")) {
            if (!datum.is_array() || datum.size() != 3 || !datum[0].is_string() || !datum[1].is_string() || !datum[2].is_number_integer()) continue;
            const auto value = datum[2].get<std::int64_t>();
            const bool is_size = datum[1] == "size" && value >= 0;
            text += fmt::format("  {}: {}", printable(datum[0].get<std::string>()),
                                is_size ? format_size(static_cast<std::uint64_t>(value)) : std::to_string(value));
        }
        text += '\n';
        before = now;
    }
    return text;
}

}  // namespace memtrace::cli
