// Starts the tracer and reads what it saw; see tracer.hpp.
#include "support/tracer.hpp"

#include <array>
#include <csignal>
#include <sstream>
#include <utility>

#include "format/pprof.hpp"
#include "support/catch.hpp"

namespace memtrace::test {
namespace {

// The names in the order of mt_loss, from the one list.
constexpr std::array<const char*, MT_LOSS_COUNT> loss_names = {
#define LOSS(id, name, ...) name,
    MT_LOSSES(LOSS)
#undef LOSS
};

Arguments attach_command(const std::string& file, const Child& target, const Arguments& options) {
    Arguments arguments{"-p", std::to_string(target.pid()), "-o", file};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return tracer_command(arguments);
}

}  // namespace

Arguments tracer_command(const Arguments& arguments) {
    Arguments command{tracer_path()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
}

Tracer::Tracer(const Child& target, const Arguments& options) : process_(attach_command(folder_.file("snapshot.pb.gz"), target, options)) {}

Tracer Tracer::attach(const Child& target, const Arguments& options) {
    require_root();
    Tracer tracer(target, options);
    tracer.process_.wait_error_line("memtrace-bpf: tracing pid " + std::to_string(target.pid()));
    return tracer;
}

Snapshot Tracer::stop() {
    process_.signal(SIGINT);
    return finish();
}

Snapshot Tracer::finish() {
    const Ending ending = process_.wait();
    INFO(process_.transcript());
    REQUIRE(ending == Ending{false, 0});
    return load_snapshot(snapshot_path());
}

CommandTrace trace_command(const Arguments& command, const Arguments& options, const SpawnOptions& spawn) {
    require_root();
    const TemporaryFolder folder;
    Arguments arguments{"-o", folder.file("snapshot.pb.gz")};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.push_back("--");
    arguments.insert(arguments.end(), command.begin(), command.end());
    Child process = run(tracer_command(arguments), spawn);
    const Ending ending = process.wait();
    INFO(process.transcript());
    Snapshot snapshot = load_snapshot(folder.file("snapshot.pb.gz"));
    return {std::move(process), ending, std::move(snapshot)};
}

Snapshot load_snapshot(const std::string& path) {
    auto snapshot = read_snapshot(path);
    if (!snapshot) FAIL(snapshot.error().what);
    return *std::move(snapshot);
}

std::uint64_t loss(const Snapshot& snapshot, mt_loss cause) {
    for (const auto& entry : snapshot.losses)
        if (entry.cause == loss_names[cause]) return entry.count;
    FAIL("the snapshot does not list \"" << loss_names[cause] << "\"");
    return 0;
}

std::string lost(const Snapshot& snapshot, std::optional<mt_loss> allowed) {
    std::string text = snapshot.losses.size() < MT_LOSS_COUNT ? "not every cause is listed\n" : "";
    for (const auto& entry : snapshot.losses)
        if (entry.lost && entry.count > 0 && (!allowed || entry.cause != loss_names[*allowed]))
            text += entry.cause + ": " + std::to_string(entry.count) + "\n";
    return text;
}

Counters domain_total(const Snapshot& snapshot, const std::string& domain) {
    Counters total;
    for (const auto& site : snapshot.sites)
        if (snapshot.text(site.domain) == domain) total += site.counters;
    return total;
}

std::string inconsistencies(const Snapshot& snapshot) {
    std::ostringstream text;
    if (snapshot.processes.size() != 1) text << snapshot.processes.size() << " processes\n";
    std::uint64_t live_bytes = 0;
    for (const auto& site : snapshot.sites) {
        const Counters& counters = site.counters;
        live_bytes += counters.live_bytes();
        if (counters.freed_blocks > counters.allocated_blocks || counters.freed_bytes > counters.allocated_bytes)
            text << "a site freed more than it allocated\n";
        if (site.frames.empty() || site.total_frames < site.frames.size()) text << "a site with impossible frames\n";
    }
    for (const auto& process : snapshot.processes) {
        if (process.traced_bytes != live_bytes) text << "traced " << process.traced_bytes << " B, sites hold " << live_bytes << " B\n";
        if (process.traced_peak_bytes < process.traced_bytes) text << "the peak is below the current size\n";
    }
    return text.str();
}

}  // namespace memtrace::test
