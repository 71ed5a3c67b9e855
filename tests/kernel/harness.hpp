// A trace made by the library alone, without the command around it, so that the kernel's own tables can be looked into.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "loader/session.hpp"
#include "reader/collector.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

namespace memtrace::test {

/// What probes cost here and how they are attached: measured once. Skips the rule without root.
const Calibration& calibrated();

/// One child under trace, from construction to stop(). Failures to open or attach fail the test.
class Trace {
public:
    explicit Trace(const Child& child, const SessionOptions& options = {}, std::optional<AttachMethod> method = std::nullopt);
    [[nodiscard]] Session& session() { return session_; }
    [[nodiscard]] KernelSide& kernel() { return session_.kernel(); }
    [[nodiscard]] std::uint64_t loss(mt_loss cause) const { return session_.kernel().losses()[cause]; }
    /// Waits for a line of the child and takes in the ring's news meanwhile.
    std::string wait_line(Child& child, const std::string& prefix);
    /// The state now.
    Snapshot look(Detail detail = Detail::counters) { return collector_.snapshot(detail); }
    [[nodiscard]] Collector& collector() { return collector_; }
    /// Detaches and returns the last state.
    Snapshot stop();

private:
    Session session_;
    Collector collector_;
};

/// Opens a session without attaching anything. `method`: calibrated() when not given.
Result<Session> open_session(const Child& child, const SessionOptions& options, std::optional<AttachMethod> method = std::nullopt);

/// Compiles a C program as the workloads are (every call stays, with debug information; ledger.h can be included) and returns its
/// path. Skips the rule without a compiler; a program that does not compile fails the test.
std::string compile_c(const TemporaryFolder& folder, const std::string& name, const std::string& source);

/// Blocks and bytes.
struct Held {
    std::uint64_t blocks = 0;
    std::uint64_t bytes = 0;
    bool operator==(const Held&) const = default;
};

/// What the live table holds, by site; containers stand under MT_SITE_CONTAINER. Requires that each key is complete, of the process
/// and there once.
std::map<std::uint32_t, Held> live_table(const KernelSide& kernel);

/// Live blocks and bytes by the sites' counters; sites without any are left out.
std::map<std::uint32_t, Held> live_by_counters(const KernelSide& kernel);

}  // namespace memtrace::test
