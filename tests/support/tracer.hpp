// memtrace-bpf under test: started on a target, stopped, and its snapshot read back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/memtrace.h"
#include "model/snapshot.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

namespace memtrace::test {

using Arguments = std::vector<std::string>;

/// The tracer's command line: its path and `arguments`.
Arguments tracer_command(const Arguments& arguments);

/// A running `memtrace-bpf -p PID -o FILE`.
class Tracer {
public:
    /// Returns when counting has begun.
    static Tracer attach(const Child& target, const Arguments& options = {});
    /// Ends it as Ctrl-C does, requires exit status 0 and reads the snapshot.
    Snapshot stop();
    /// Waits until it ends by itself (--duration, end of the target); requires the same.
    Snapshot finish();
    [[nodiscard]] Child& process() { return process_; }
    [[nodiscard]] std::string snapshot_path() const { return folder_.file("snapshot.pb.gz"); }

private:
    Tracer(const Child& target, const Arguments& options);
    TemporaryFolder folder_;
    Child process_;
};

/// What `memtrace-bpf [options] -- command` printed, how it ended, and its snapshot.
struct CommandTrace {
    Child process;
    Ending ending;
    Snapshot snapshot;
};
CommandTrace trace_command(const Arguments& command, const Arguments& options = {}, const SpawnOptions& spawn = {});

/// Reads a snapshot file; fails the test when it cannot be read.
Snapshot load_snapshot(const std::string& path);

/// The count of one cause. Fails the test when the snapshot does not name it: zeros are listed too.
std::uint64_t loss(const Snapshot& snapshot, mt_loss cause);
/// "CAUSE: N" for each loss that means missing blocks, except `allowed`; empty when there is none.
std::string lost(const Snapshot& snapshot, std::optional<mt_loss> allowed = std::nullopt);

/// Sum of one domain's sites.
Counters domain_total(const Snapshot& snapshot, const std::string& domain);
/// What of a snapshot's own totals disagrees with the sum of its sites; empty when nothing does.
std::string inconsistencies(const Snapshot& snapshot);

}  // namespace memtrace::test
