#include <fmt/format.h>

#include "format/live_sites.hpp"
#include "format/tables.hpp"
#include "format/text.hpp"

namespace memtrace {
namespace {

constexpr const char* kNames =
    "pid,command,thread,thread_name,domain,live_bytes,live_blocks,allocated_bytes,allocated_blocks,freed_bytes,freed_blocks,"
    "file,line,function,python,total_frames,stack,temporary_blocks\n";

void append_field(std::string& row, std::string_view text) {
    const std::string field = is_utf8(text) ? std::string(text) : printable(text);
    if (!row.empty() && row.back() != '\n') row += ',';
    if (field.find_first_of(",\"\r\n") == std::string::npos) {
        row += field;
        return;
    }
    row += '"';
    for (const char character : field) row += character == '"' ? std::string("\"\"") : std::string(1, character);
    row += '"';
}

template <typename... Numbers>
void append_numbers(std::string& row, Numbers... numbers) {
    ((row += fmt::format(",{}", numbers)), ...);
}

}  // namespace

std::string encode_csv(const Snapshot& snapshot, Lines lines) {
    std::string text = kNames;
    std::vector<std::string> frame_texts;
    for (const Frame& frame : snapshot.frames) frame_texts.push_back(shown_frame(snapshot, frame));
    std::vector<FrameId> frames;
    std::string stack;
    for (const Site& site : snapshot.sites) {
        const Process& process = snapshot.processes[site.process];
        const Counters& counters = site.counters;
        append_field(text, fmt::to_string(process.pid));
        append_field(text, process.command);
        append_numbers(text, site.thread);
        append_field(text, snapshot.text(site.thread_name));
        append_field(text, snapshot.text(site.domain));
        append_numbers(text, counters.live_bytes(), counters.live_blocks(), counters.allocated_bytes, counters.allocated_blocks, counters.freed_bytes,
                       counters.freed_blocks);
        shown_frames(snapshot, site, lines, frames);
        const Frame& newest = snapshot.frame(frames.front());
        append_field(text, snapshot.text(newest.file));
        append_numbers(text, newest.line);
        append_field(text, snapshot.text(newest.function));
        append_numbers(text, newest.python ? 1 : 0, site.total_frames);
        stack.clear();
        for (const FrameId id : frames) stack += (stack.empty() ? "" : "\n") + frame_texts[static_cast<std::size_t>(id)];
        append_field(text, stack);
        append_field(text, snapshot.has_temporaries ? fmt::to_string(counters.temporary_blocks) : "");
        text += '\n';
    }
    return text;
}

}  // namespace memtrace
