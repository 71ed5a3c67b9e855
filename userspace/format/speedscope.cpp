#include "format/flame_graph.hpp"
#include "format/flame_stacks.hpp"
#include "format/json_text.hpp"

namespace memtrace {
namespace {

void write_frames(JsonWriter& to, const std::vector<FlameFrame>& frames) {
    to.key("frames").begin_array();
    for (const FlameFrame& frame : frames) {
        to.line().begin_object().member("name", frame.name);
        if (!frame.file.empty()) to.member("file", frame.file);
        if (frame.line != 0) to.member("line", frame.line);
        if (frame.column != 0) to.member("col", frame.column);
        to.end_object();
    }
    to.line().end_array();
}

void write_profile(JsonWriter& to, const FlameStacks& found, const char* name, const char* unit, std::uint64_t FlameWeight::*weight) {
    std::uint64_t sum = 0;
    for (const auto& [stack, weights] : found.stacks) sum += weights.*weight;
    to.line().begin_object().member("type", "sampled").member("name", name).member("unit", unit);
    to.member("startValue", 0).member("endValue", sum).key("samples").begin_array();
    for (const auto& [stack, weights] : found.stacks) {
        to.line().begin_array();
        for (const std::uint32_t frame : stack) to.value(frame);
        to.end_array();
    }
    to.line().end_array().key("weights").begin_array();
    for (const auto& [stack, weights] : found.stacks) to.value(weights.*weight);
    to.end_array().end_object();
}

}  // namespace

std::string encode_speedscope(const Snapshot& snapshot, Lines lines) {
    const FlameStacks found = flame_stacks(snapshot, lines);
    std::string text;
    JsonWriter to(text);
    to.begin_object().member("$schema", "https://www.speedscope.app/file-format-schema.json");
    to.member("exporter", "memtrace-bpf " + snapshot.tool_version);
    to.member("name", snapshot.name.empty() ? std::string("memtrace-bpf") : snapshot.name).member("activeProfileIndex", 0);
    to.key("shared").begin_object();
    write_frames(to, found.frames);
    to.end_object().key("profiles").begin_array();
    write_profile(to, found, "live bytes", "bytes", &FlameWeight::bytes);
    write_profile(to, found, "live blocks", "none", &FlameWeight::blocks);
    to.line().end_array().end_object();
    return text + "\n";
}

}  // namespace memtrace
