// What a running trace does for those who ask: the requests of docs/decisions/0008, and who may make them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/checkpoints.hpp"
#include "control/request.hpp"
#include "control/server.hpp"
#include "reader/collector.hpp"

namespace memtrace::control {

struct ServiceOptions {
    std::uint64_t checkpoint_memory_bytes = std::uint64_t{64} << 20;
    std::string checkpoint_folder;
    std::string log;  ///< Of a tracer in the background: where its messages are.
};

/// Keeps references. Root may ask for everything, the owner of a traced process for what concerns his processes.
class Service {
public:
    Service(Session& session, Collector& collector, ServiceOptions options);

    /// He owns something that is traced, or is root.
    [[nodiscard]] bool admits(const Peer& peer) const;
    Answer answer(const Peer& peer, std::string_view line);
    /// Somebody has asked the trace to end.
    [[nodiscard]] bool stop_requested() const { return stop_requested_; }

    [[nodiscard]] const std::vector<Checkpoint>& checkpoints() const { return store_.all(); }

private:
    /// Of each process; root where it has ended.
    [[nodiscard]] std::vector<uid_t> owners(const Snapshot& snapshot) const;
    [[nodiscard]] bool sees(const Peer& peer, const TracedProcess& process) const;
    [[nodiscard]] bool sees_all(const Peer& peer) const;
    Result<TracedProcess*> process_for(const Peer& peer, std::optional<int> pid) const;
    Result<Snapshot> take_still(const Peer& peer, bool stop_threads, std::chrono::nanoseconds& pause);

    Result<Answer> handle(const Peer& peer, const Request& request);
    Result<Answer> status(const Peer& peer);
    Result<Answer> memory(const Peer& peer, const Request& request);
    Result<Answer> checkpoint(const Peer& peer, const Request& request);
    Result<Answer> checkpoints(const Peer& peer) const;
    Result<Answer> snapshot(const Peer& peer, const Request& request);
    Result<Answer> where(const Peer& peer, const Request& request);
    Result<Answer> change_all(const Peer& peer, Result<void> (Session::*change)());
    Result<Answer> stop(const Peer& peer);

    Session& session_;
    Collector& collector_;
    ServiceOptions options_;
    CheckpointStore store_;
    bool stop_requested_ = false;
};

}  // namespace memtrace::control
