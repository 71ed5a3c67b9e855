#include "control/service.hpp"

#include <unistd.h>

#include <algorithm>

#include "control/answers.hpp"
#include "control/json.hpp"
#include "control/traces.hpp"
#include "format/pprof.hpp"
#include "loader/usage.hpp"
#include "model/part.hpp"
#include "process/info.hpp"
#include "process/owner.hpp"

namespace memtrace::control {
namespace {

using Clock = std::chrono::steady_clock;

bool is_root(uid_t uid) { return uid == 0 || uid == geteuid(); }

std::vector<bool> seen_by(const Peer& peer, const std::vector<uid_t>& owners) {
    std::vector<bool> seen;
    for (const uid_t owner : owners) seen.push_back(is_root(peer.uid) || owner == peer.uid);
    return seen;
}

Answer with_bytes(Json json, std::string bytes) {
    json["ok"] = true;
    json["bytes"] = bytes.size();
    return {print(json), std::move(bytes)};
}

}  // namespace

Service::Service(Session& session, Collector& collector, ServiceOptions options)
    : session_(session), collector_(collector), options_(std::move(options)), store_(options_.checkpoint_memory_bytes, options_.checkpoint_folder) {}

bool Service::sees(const Peer& peer, const TracedProcess& process) const {
    if (is_root(peer.uid)) return true;
    return !process.ended() && owner_of(process.target()) == peer.uid;
}

bool Service::admits(const Peer& peer) const {
    const auto processes = session_.processes();
    return is_root(peer.uid) || std::any_of(processes.begin(), processes.end(), [&](const auto& process) { return sees(peer, *process); });
}

// What concerns all of the trace is for those to whom all that runs belongs.
bool Service::sees_all(const Peer& peer) const {
    const auto processes = session_.processes();
    return std::all_of(processes.begin(), processes.end(), [&](const auto& process) { return process->ended() || sees(peer, *process); });
}

std::vector<uid_t> Service::owners(const Snapshot& snapshot) const {
    std::vector<uid_t> owners;
    for (const Process& process : snapshot.processes) {
        const TracedProcess* traced = process.ended ? nullptr : session_.find(process.pid);
        owners.push_back(traced ? owner_of(traced->target()).value_or(0) : 0);
    }
    return owners;
}

Result<TracedProcess*> Service::process_for(const Peer& peer, std::optional<int> pid) const {
    if (!pid)
        if (TracedProcess* own = session_.find(peer.pid); own && sees(peer, *own)) return own;
    for (const auto& process : session_.processes()) {
        if (pid ? process->pid() != *pid || process->ended() : !sees(peer, *process)) continue;
        if (sees(peer, *process)) return process.get();
    }
    return Error{pid ? "pid " + std::to_string(*pid) + " is not traced here, or not yours" : "no process of yours is traced here"};
}

Answer Service::answer(const Peer& peer, std::string_view line) {
    const Result<Request> request = parse_request(line);
    Result<Answer> answer = request ? handle(peer, *request) : Result<Answer>(request.error());
    return answer ? *std::move(answer) : Answer{print_refusal(answer.error()), ""};
}

Result<Answer> Service::handle(const Peer& peer, const Request& request) {
    switch (request.what) {
        case Do::status: return status(peer);
        case Do::memory: return memory(peer, request);
        case Do::checkpoint: return checkpoint(peer, request);
        case Do::checkpoints: return checkpoints(peer);
        case Do::snapshot: return snapshot(peer, request);
        case Do::clear: return change_all(peer, &Session::clear);
        case Do::reset_peak: return change_all(peer, &Session::reset_peak);
        case Do::where: return where(peer, request);
        case Do::stop: return stop(peer);
    }
    return Error{"unknown request"};
}

// Nobody is held for what can be done before or after: naming, grouping, building.
Result<Snapshot> Service::take_still(const Peer& peer, bool stop_threads, std::chrono::nanoseconds& pause) {
    pause = {};
    if (!stop_threads) return collector_.snapshot(Detail::blocks);
    if (!sees_all(peer)) return Error{"the trace is of other users' processes, too, which only root may stop", "--no-stop does without"};
    Collector::Reading reading = collector_.begin(Detail::blocks);
    const Clock::time_point begin = Clock::now();
    Result<std::shared_ptr<void>> held = session_.hold();
    if (!held) return Error{held.error().what, held.error().hint + " --no-stop does without"};
    collector_.copy(reading);
    held->reset();
    pause = Clock::now() - begin;
    return collector_.finish(reading);
}

Result<Answer> Service::status(const Peer& peer) {
    const Snapshot snapshot = collector_.snapshot(Detail::counters);
    const std::vector<uid_t> owners = this->owners(snapshot);
    Json json = status_of(part_of(snapshot, seen_by(peer, owners)));
    json["checkpoints"] = store_.all().size();
    json["checkpoint_memory"] = store_.memory_bytes();
    json["checkpoint_disk"] = store_.disk_bytes();
    const Result<ProcessInfo> own = read_process(getpid());
    json["own_rss"] = own ? own->rss_bytes : 0;
    if (!options_.log.empty()) json["log"] = options_.log;
    return Answer{print(json), ""};
}

Result<Answer> Service::memory(const Peer& peer, const Request& request) {
    const Result<TracedProcess*> process = process_for(peer, request.pid);
    if (!process) return process.error();
    const Usage usage = read_usage((*process)->kernel().total);
    return Answer{
        print({{"ok", true}, {"pid", (*process)->pid()}, {"current", usage.bytes}, {"peak", usage.peak_bytes}, {"lost", collector_.lost()}}), ""};
}

Result<Answer> Service::checkpoint(const Peer& peer, const Request& request) {
    const Result<TracedProcess*> asked = process_for(peer, request.pid);
    if (!asked) return asked.error();
    const int pid = (*asked)->pid();
    std::chrono::nanoseconds pause{};
    Result<Snapshot> snapshot = take_still(peer, request.stop_threads, pause);
    if (!snapshot) return std::move(snapshot).error();
    snapshot->name = store_.unique_name(request.name);
    snapshot->user_data = request.user_data;
    Checkpoint checkpoint{snapshot->name, snapshot->time, totals_of(*snapshot, owners(*snapshot)), request.user_data};
    const auto found = std::find_if(checkpoint.processes.begin(), checkpoint.processes.end(),
                                    [&](const ProcessTotals& totals) { return totals.pid == pid; });
    const ProcessTotals totals = found == checkpoint.processes.end() ? ProcessTotals{} : *found;
    const Mark mark{snapshot->name, snapshot->time, pid, totals.bytes, request.user_data};
    snapshot->marks.push_back(mark);
    Result<std::string> bytes = encode_snapshot(*snapshot);
    if (!bytes) return std::move(bytes).error();
    if (Result<void> done = store_.add(std::move(checkpoint), *std::move(bytes)); !done) return std::move(done).error();
    collector_.add_mark(mark);
    return Answer{print({{"ok", true},
                         {"name", mark.name},
                         {"number", store_.all().size()},
                         {"pid", pid},
                         {"memory", totals.bytes},
                         {"peak", totals.peak_bytes},
                         {"blocks", totals.blocks},
                         {"lost", collector_.lost()},
                         {"pause", std::chrono::duration<double>(pause).count()}}),
                  ""};
}

Result<Answer> Service::checkpoints(const Peer& peer) const {
    Json list = Json::array();
    for (const Checkpoint& checkpoint : store_.all())
        if (std::optional<Json> json = checkpoint_of(checkpoint, is_root(peer.uid) ? std::nullopt : std::optional(peer.uid)))
            list.push_back(*std::move(json));
    return Answer{print({{"ok", true}, {"checkpoints", std::move(list)}}), ""};
}

Result<Answer> Service::snapshot(const Peer& peer, const Request& request) {
    Snapshot snapshot;
    std::vector<uid_t> owners;
    if (request.checkpoint) {
        const std::optional<std::size_t> index = store_.find(*request.checkpoint);
        if (!index) return Error{"there is no checkpoint \"" + *request.checkpoint + "\"", "`memtrace-bpf checkpoints` lists those there are"};
        for (const ProcessTotals& totals : store_.all()[*index].processes) owners.push_back(totals.owner);
        Result<std::string> bytes = store_.snapshot(*index);
        if (!bytes) return std::move(bytes).error();
        if (is_root(peer.uid) && !request.as_traces) return with_bytes({}, *std::move(bytes));
        Result<Snapshot> decoded = decode_snapshot(*bytes);
        if (!decoded) return std::move(decoded).error();
        snapshot = *std::move(decoded);
    } else {
        std::chrono::nanoseconds pause{};
        Result<Snapshot> taken = take_still(peer, request.stop_threads, pause);
        if (!taken) return std::move(taken).error();
        snapshot = *std::move(taken);
        owners = this->owners(snapshot);
    }
    std::vector<bool> seen = seen_by(peer, owners);
    if (request.as_traces) {
        // tracemalloc knows one process.
        const Result<TracedProcess*> process = process_for(peer, request.pid);
        if (!process) return process.error();
        for (std::size_t i = 0; i < seen.size(); ++i) seen[i] = seen[i] && snapshot.processes[i].pid == (*process)->pid();
        return with_bytes({}, print_traces(part_of(snapshot, seen)));
    }
    snapshot = part_of(snapshot, seen);
    Result<std::string> bytes = encode_snapshot(snapshot);
    if (!bytes) return std::move(bytes).error();
    return with_bytes({}, *std::move(bytes));
}

Result<Answer> Service::where(const Peer& peer, const Request& request) {
    const Result<TracedProcess*> process = process_for(peer, request.pid);
    if (!process) return process.error();
    const std::optional<BlockInfo> block = collector_.where((*process)->pid(), request.address);
    return Answer{print(block ? block_of(*block) : Json{{"ok", true}, {"found", false}}), ""};
}

Result<Answer> Service::change_all(const Peer& peer, Result<void> (Session::*change)()) {
    if (!sees_all(peer)) return Error{"the trace is of other users' processes, too", "only root may change it"};
    if (Result<void> done = (session_.*change)(); !done) return std::move(done).error();
    return Answer{print({{"ok", true}}), ""};
}

Result<Answer> Service::stop(const Peer& peer) {
    if (!sees_all(peer)) return Error{"the trace is of other users' processes, too", "only root may end it"};
    stop_requested_ = true;
    Json json{{"ok", true}, {"pid", session_.target().pid()}};
    if (!options_.log.empty()) json["log"] = options_.log;
    return Answer{print(json), ""};
}

}  // namespace memtrace::control
