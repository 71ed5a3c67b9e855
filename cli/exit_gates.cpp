#include "exit_gates.hpp"

#include <algorithm>
#include <cstdio>

#include "control/answers.hpp"
#include "format/output_file.hpp"
#include "format/text.hpp"

namespace memtrace::cli {
namespace {

constexpr int gate_status = 3;

std::uint64_t memory_of(const std::vector<control::ProcessTotals>& processes) {
    std::uint64_t bytes = 0;
    for (const control::ProcessTotals& totals : processes)
        if (totals.counts) bytes += totals.bytes;
    return bytes;
}

// Of several processes the highest: no moment is known at which they were all at theirs.
std::uint64_t peak_of(const Snapshot& last) {
    std::uint64_t peak = 0;
    for (const Process& process : last.processes) peak = std::max(peak, process.traced_peak_bytes);
    return peak;
}

// A trace begins with nothing: blocks that are older are not known.
std::int64_t growth_of(const Snapshot& last, const std::vector<control::Checkpoint>& checkpoints) {
    if (checkpoints.size() < 2) return static_cast<std::int64_t>(memory_of(control::totals_of(last, {})));
    return static_cast<std::int64_t>(memory_of(checkpoints.back().processes)) - static_cast<std::int64_t>(memory_of(checkpoints.front().processes));
}

}  // namespace

ExitGates::ExitGates(const TraceOptions& options, const Snapshot& last, const std::vector<control::Checkpoint>& checkpoints)
    : options_(options), last_(last), checkpoints_(checkpoints) {
    if (options.fail_over) gates_.push_back({"fail-over", "the peak was", *options.fail_over, static_cast<std::int64_t>(peak_of(last))});
    if (options.fail_growth) gates_.push_back({"fail-growth", "memory grew by", *options.fail_growth, growth_of(last, checkpoints)});
}

bool ExitGates::failed() const {
    return std::any_of(gates_.begin(), gates_.end(), [](const Gate& gate) { return gate.failed(); });
}

int ExitGates::exit_status(int of_program) const { return of_program == 0 && failed() ? gate_status : of_program; }

Result<void> ExitGates::report(int exit_status) const {
    std::uint64_t lost = 0;
    for (const Loss& loss : last_.losses)
        if (loss.lost) lost += loss.count;
    for (const Gate& gate : gates_) {
        if (gate.failed())
            std::fprintf(stderr, "memtrace-bpf: %s %s, more than --%s %s\n", gate.what, format_size(static_cast<std::uint64_t>(gate.value)).c_str(),
                         gate.name, format_size(gate.limit).c_str());
        else if (lost > 0)
            std::fprintf(stderr, "memtrace-bpf: --%s holds, but %llu events were lost\n", gate.name, static_cast<unsigned long long>(lost));
    }
    if (options_.summary.empty()) return {};
    control::Json json = control::status_of(last_);
    json.erase("ok");
    json.erase("protocol");
    json["checkpoints"] = control::Json::array();
    for (const control::Checkpoint& checkpoint : checkpoints_)
        if (auto known = control::checkpoint_of(checkpoint, std::nullopt)) json["checkpoints"].push_back(*std::move(known));
    json["gates"] = control::Json::array();
    for (const Gate& gate : gates_)
        json["gates"].push_back({{"gate", gate.name}, {"limit", gate.limit}, {"value", gate.value}, {"failed", gate.failed()}});
    json["passed"] = !failed();
    json["program_exit_status"] = exit_status;
    const std::string text = control::print(json) + "\n";
    Result<void> done = write_output(options_.summary == "-" ? "/dev/stdout" : options_.summary, text);
    if (!done) return std::move(done).error().in("summary " + options_.summary);
    return {};
}

}  // namespace memtrace::cli
