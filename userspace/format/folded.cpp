// One line a stack, as flamegraph.pl and its many relatives read it.
#include <fmt/format.h>

#include <algorithm>

#include "format/flame_graph.hpp"
#include "format/flame_stacks.hpp"

namespace memtrace {
namespace {

std::string folded_name(const FlameFrame& frame) {
    std::string name = frame.name;
    if (frame.line != 0) {
        name += fmt::format(" ({}:{})", frame.file, frame.line);
    } else if (!frame.file.empty() && frame.file != frame.name) {
        name += fmt::format(" ({})", frame.file);
    }
    std::replace(name.begin(), name.end(), ';', ',');
    return name;
}

}  // namespace

std::string encode_folded(const Snapshot& snapshot, Lines lines) {
    const FlameStacks found = flame_stacks(snapshot, lines);
    std::vector<std::string> names;
    for (const FlameFrame& frame : found.frames) names.push_back(folded_name(frame));
    // Stacks that differ by columns alone, or by names escaped alike, are one line.
    std::map<std::string, std::uint64_t> by_line;
    for (const auto& [stack, weight] : found.stacks) {
        std::string line;
        for (const std::uint32_t index : stack) line += (line.empty() ? "" : ";") + names[index];
        by_line[std::move(line)] += weight.bytes;
    }
    std::string text;
    for (const auto& [line, bytes] : by_line) text += fmt::format("{} {}\n", line, bytes);
    return text;
}

}  // namespace memtrace
