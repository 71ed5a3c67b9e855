#include "format/flame_stacks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "format/live_sites.hpp"
#include "format/text.hpp"

namespace memtrace {
namespace {

class Stacks {
public:
    Stacks(const Snapshot& snapshot, Lines lines) : snapshot_(snapshot), lines_(lines) {
        for (const Frame& frame : snapshot.frames) {
            const std::string& function = snapshot.text(frame.function);
            const std::string& file = snapshot.text(frame.file);
            found_.frames.push_back({printable(function.empty() ? file : function), printable(file), frame.line, frame.column});
        }
    }

    FlameStacks run() {
        const std::vector<const Site*> sites = live_sites(snapshot_);
        const bool several = std::any_of(sites.begin(), sites.end(), [&](const Site* site) { return site->process != sites.front()->process; });
        for (const Site* site : sites) {
            stack_.clear();
            if (several) stack_.push_back(process(site->process));
            if (snapshot_.threads_apart) stack_.push_back(thread(*site));
            shown_frames(snapshot_, *site, lines_, frames_);
            for (auto id = frames_.rbegin(); id != frames_.rend(); ++id) stack_.push_back(static_cast<std::uint32_t>(*id));
            FlameWeight& weight = found_.stacks[stack_];
            weight.bytes += site->counters.live_bytes();
            weight.blocks += site->counters.live_blocks();
        }
        return std::move(found_);
    }

private:
    std::uint32_t root(std::string name) {
        const auto [place, added] = roots_.try_emplace(std::move(name), static_cast<std::uint32_t>(found_.frames.size()));
        if (added) found_.frames.push_back({.name = printable(place->first)});
        return place->second;
    }
    std::uint32_t process(std::uint32_t index) {
        const Process& process = snapshot_.processes[index];
        return root(fmt::format("{} (process {})", process.command, process.pid));
    }
    std::uint32_t thread(const Site& site) { return root(fmt::format("{} (thread {})", snapshot_.text(site.thread_name), site.thread)); }

    const Snapshot& snapshot_;
    Lines lines_;
    FlameStacks found_;
    std::map<std::string, std::uint32_t> roots_;
    std::vector<std::uint32_t> stack_;
    std::vector<FrameId> frames_;
};

}  // namespace

FlameStacks flame_stacks(const Snapshot& snapshot, Lines lines) { return Stacks(snapshot, lines).run(); }

}  // namespace memtrace
