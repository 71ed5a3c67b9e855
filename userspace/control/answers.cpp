#include "control/answers.hpp"

#include <algorithm>
#include <chrono>

#include "control/request.hpp"

namespace memtrace::control {

Json status_of(const Snapshot& snapshot) {
    const std::vector<bool> counts = snapshot.processes_that_count();
    std::vector<std::uint64_t> blocks(snapshot.processes.size(), 0);
    for (const Site& site : snapshot.sites)
        if (site.process < blocks.size()) blocks[site.process] += site.counters.live_blocks();
    Json processes = Json::array();
    std::uint64_t current = 0, peak = 0, all_blocks = 0;
    for (std::size_t i = 0; i < snapshot.processes.size(); ++i) {
        const Process& process = snapshot.processes[i];
        processes.push_back({{"pid", process.pid},
                             {"command", process.command},
                             {"current", process.traced_bytes},
                             {"peak", process.traced_peak_bytes},
                             {"blocks", blocks[i]},
                             {"rss", process.rss_bytes},
                             {"namespace_pid", process.namespace_pid},
                             {"ended", process.ended}});
        peak = std::max(peak, process.traced_peak_bytes);
        if (!counts[i]) continue;
        current += process.traced_bytes;
        all_blocks += blocks[i];
    }
    Json losses = Json::object();
    std::uint64_t lost = 0;
    for (const Loss& loss : snapshot.losses) {
        losses[loss.cause] = loss.count;
        if (loss.lost) lost += loss.count;
    }
    Json json{{"ok", true},
              {"version", snapshot.tool_version},
              {"protocol", protocol_version},
              {"traced_for", std::chrono::duration<double>(snapshot.traced_for).count()},
              {"current", current},
              {"peak", peak},
              {"blocks", all_blocks},
              {"events", snapshot.events},
              {"tracing_cost", snapshot.tracing_cost},
              {"losses", std::move(losses)},
              {"lost", lost},
              {"notes", snapshot.notes},
              {"marks", snapshot.marks.size() + snapshot.marks_dropped},
              {"processes", std::move(processes)}};
    if (!snapshot.processes.empty()) {
        json["pid"] = snapshot.processes.front().pid;
        json["command"] = snapshot.processes.front().command;
    }
    return json;
}

Json block_of(const BlockInfo& block) {
    Json frames = Json::array();
    for (const BlockInfo::Place& place : block.frames)
        frames.push_back({{"file", place.file}, {"line", place.line}, {"function", place.function}, {"python", place.python}});
    return {{"ok", true},
            {"found", true},
            {"address", block.address},
            {"size", block.size_bytes},
            {"domain", block.domain},
            {"age", std::chrono::duration<double>(block.age).count()},
            {"frames", std::move(frames)},
            {"total_frames", block.total_frames}};
}

std::optional<Json> checkpoint_of(const Checkpoint& checkpoint, std::optional<uid_t> only) {
    std::uint64_t memory = 0, blocks = 0;
    bool any = false, all = true;
    for (const ProcessTotals& totals : checkpoint.processes) {
        const bool seen = !only || totals.owner == *only;
        any = any || seen;
        all = all && seen;
        if (!seen || !totals.counts) continue;
        memory += totals.bytes;
        blocks += totals.blocks;
    }
    if (!any) return std::nullopt;
    Json data = Json::array();
    if (all)
        for (const UserDatum& datum : checkpoint.user_data) data.push_back(Json::array({datum.title, datum.format, datum.value}));
    return Json{{"name", checkpoint.name},
                {"time", std::chrono::duration<double>(checkpoint.time.time_since_epoch()).count()},
                {"memory", memory},
                {"blocks", blocks},
                {"user_data", std::move(data)}};
}

}  // namespace memtrace::control
