// States for the tests of the full-screen display.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "cli/screen/model.hpp"

namespace memtrace::test {

struct Place {
    std::string file;
    std::uint32_t line = 0;
    std::string function;
    std::uint64_t bytes = 0;
    std::uint64_t blocks = 1;
    std::string domain = "obj";
    std::vector<std::string> callers = {};  ///< Functions of caller.py, from line 1 on.
    std::int32_t pid = 4242;
};

/// One site for each place; `second` of the trace.
inline std::shared_ptr<const Snapshot> state_of(const std::vector<Place>& places, int second = 10) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->traced_for = std::chrono::seconds(second);
    snapshot->time = std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::seconds(1'700'000'000 + second));
    snapshot->frame_limit = 16;
    Interner interner(*snapshot);
    const auto process_of = [&](std::int32_t pid) {
        for (std::uint32_t i = 0; i < snapshot->processes.size(); ++i)
            if (snapshot->processes[i].pid == pid) return i;
        Process process;
        process.pid = pid;
        process.command = pid == 4242 ? "python3 -m shop.worker" : "worker " + std::to_string(pid);
        process.rss_bytes = std::uint64_t{412} << 20;
        snapshot->processes.push_back(process);
        return static_cast<std::uint32_t>(snapshot->processes.size() - 1);
    };
    process_of(4242);
    for (const Place& place : places) {
        Site site;
        site.process = process_of(place.pid);
        site.domain = interner.string(place.domain);
        site.frames = {interner.frame({place.file, place.line, place.function, true})};
        for (std::uint32_t i = 0; i < place.callers.size(); ++i)
            site.frames.push_back(interner.frame({"/srv/caller.py", i + 1, place.callers[i], true}));
        site.total_frames = static_cast<std::uint32_t>(site.frames.size());
        site.counters = {.allocated_blocks = place.blocks, .allocated_bytes = place.bytes, .freed_blocks = 0, .freed_bytes = 0};
        snapshot->processes[site.process].traced_bytes += place.bytes;
        snapshot->processes[site.process].traced_peak_bytes += place.bytes;
        snapshot->sites.push_back(std::move(site));
    }
    snapshot->losses = {{"live table full", 0, true}, {"untracked frees", 1204, false}};
    return snapshot;
}

inline const std::vector<Place> shop{{"/srv/shop/app/cache.py", 88, "Cache.put", 151 << 20, 402'111, "obj", {"handle", "main"}},
                                     {"/srv/shop/app/model.py", 12, "load_weights", 64 << 20, 1, "malloc", {"main"}},
                                     {"/srv/shop/app/views.py", 7, "render", 9000, 300}};

inline cli::screen::Setup setup_of(bool saved = false) {
    cli::screen::Setup setup;
    setup.saved = saved;
    setup.source = [](const Process*, std::string_view file, std::uint32_t line, unsigned) {
        if (!file.ends_with("cache.py")) return SourceExcerpt{0, {}, std::string(file) + ": No such file or directory"};
        return SourceExcerpt{line - 1, {"def put(self, key):", "\tself.rows[key] = bytearray(400)", "    return key"}, ""};
    };
    setup.file_proposal = "proposed.pb.gz";
    return setup;
}

inline cli::screen::Key key_of(char32_t c) { return {cli::screen::Key::Kind::character, c}; }
inline cli::screen::Key key_of(cli::screen::Key::Kind kind) { return {kind}; }

/// A model that shows the shop, at the default size.
struct ShownModel {
    explicit ShownModel(const std::vector<Place>& places = shop, cli::screen::Setup setup = setup_of()) : model(std::move(setup)) {
        model.take(state_of(places));
        draw();
    }
    std::string draw(unsigned columns = 80, unsigned rows = 24, bool unicode = true) {
        canvas = model.draw(columns, rows, unicode);
        return canvas.text();
    }
    cli::screen::Action press(const cli::screen::Key& key) {
        cli::screen::Action action = model.press(key);
        draw();
        return action;
    }
    cli::screen::Action press(char32_t c) { return press(key_of(c)); }
    cli::screen::Action press(cli::screen::Key::Kind kind) { return press(key_of(kind)); }
    void type(const std::string& text) {
        for (const char c : text) press(static_cast<char32_t>(c));
    }
    /// The text of the line that is selected.
    [[nodiscard]] std::string selected() const {
        for (const cli::screen::Line& line : canvas.lines)
            if (line.selected()) return line.text();
        return {};
    }
    cli::screen::Model model;
    cli::screen::Canvas canvas;
};

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace memtrace::test
