// Probes as the kernel runs them: both ways of attaching, every allowed configuration, counting switched on and off.
#include <chrono>
#include <iostream>

#include "kernel/harness.hpp"
#include "support/catch.hpp"
#include "support/ledger.hpp"
#include "support/leftovers.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

struct Seen {
    test::Lines truth;
    test::Lines lines;
    std::map<std::string, std::uint64_t> hits;    // by hook
    std::map<std::string, std::uint64_t> losses;  // by cause, all of them
};

Seen trace_workload(const std::string& workload, const SessionOptions& options, std::optional<AttachMethod> method = std::nullopt) {
    Child child({workload_path(workload)});
    child.wait_line("ready");
    Trace trace(child, options, method);
    child.send_line("go");
    child.wait_line("done");
    const Snapshot snapshot = trace.stop();
    const Ledger ledger = parse_ledger(child.output());
    Seen seen{ledger.lines, lines_of_file(snapshot, ledger_file(ledger)), {}, {}};
    for (const Probe& probe : snapshot.probes) seen.hits[probe.hook] += probe.hits;
    for (const Loss& loss : snapshot.losses) seen.losses[loss.cause] = loss.count;
    REQUIRE(inconsistencies(snapshot) == "");
    return seen;
}

std::uint64_t sum(const std::vector<std::uint64_t>& numbers) {
    std::uint64_t total = 0;
    for (const std::uint64_t number : numbers) total += number;
    return total;
}

std::uint64_t allocated_blocks(const KernelSide& kernel) {
    std::uint64_t blocks = 0;
    for (const mt_site& site : kernel.sites()) blocks += site.allocated_blocks;
    return blocks;
}

}  // namespace

RULE("both ways of attaching see the same calls, and those are the program's") {
    if (calibrated().method != AttachMethod::uprobe_multi) skip("uprobe_multi does not filter by process on this kernel");
    for (const char* workload : {"ledger_single", "ledger_realloc", "ledger_reallocarray", "ledger_aligned", "ledger_mmap"}) {
        INFO(workload);
        const Seen one_each = trace_workload(workload, {}, AttachMethod::perf_event);
        const Seen at_once = trace_workload(workload, {}, AttachMethod::uprobe_multi);
        REQUIRE(differences(one_each.truth, one_each.lines) == "");
        REQUIRE(differences(at_once.truth, at_once.lines) == "");
        REQUIRE(one_each.hits == at_once.hits);
        REQUIRE(one_each.losses == at_once.losses);
    }
}

RULE("both ways of attaching see all threads of a program") {
    if (calibrated().method != AttachMethod::uprobe_multi) skip("uprobe_multi does not filter by process on this kernel");
    for (const AttachMethod method : {AttachMethod::perf_event, AttachMethod::uprobe_multi}) {
        const Seen seen = trace_workload("ledger_threads", {}, method);
        REQUIRE(differences(seen.truth, seen.lines) == "");
    }
}

RULE("stacks of one frame and of the most frames load within two seconds and count the same") {
    (void)calibrated();
    for (const unsigned frames : {1U, unsigned{MT_MAX_FRAMES}}) {
        Child child({workload_path("forever")});
        child.wait_line("ready");
        const auto begin = std::chrono::steady_clock::now();
        SessionOptions options;
        options.frames = frames;
        options.sites = 1024;
        REQUIRE(open_session(child, options));
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
        std::cout << "loading with --frames " << frames << " takes " << took.count() << " ms\n";
        CHECK(took.count() < 2000);
        const Seen seen = trace_workload("deep_stack", options);
        REQUIRE(differences(seen.truth, seen.lines) == "");
        REQUIRE(seen.losses.at("truncated") == 0);
    }
}

RULE("while counting is switched off nothing changes, and it can be switched on again") {
    Child child({workload_path("forever")});
    child.wait_line("ready");
    Trace trace(child);
    KernelSide& kernel = trace.kernel();
    const std::size_t probes = trace.session().plan().probes.size();
    const auto progress = [&] {
        child.send_line("progress");
        return std::stoull(child.wait_line("progress ").substr(9));
    };
    REQUIRE(eventually([&] { return allocated_blocks(kernel) > 1000; }));

    kernel.count(false);
    const std::uint64_t made = progress();  // its answer is a call later: whatever was in progress has returned
    const std::uint64_t blocks = allocated_blocks(kernel);
    const std::uint64_t hits = sum(kernel.hits(probes));
    const mt_usage total = kernel.process().total;
    const std::vector<std::uint64_t> losses(kernel.losses().begin(), kernel.losses().end());
    const auto live = live_table(kernel);
    REQUIRE(eventually([&] { return progress() > made + 10'000; }));
    CHECK(allocated_blocks(kernel) == blocks);
    CHECK(sum(kernel.hits(probes)) == hits);
    CHECK(kernel.process().total.bytes == total.bytes);
    CHECK(kernel.process().total.peak_bytes == total.peak_bytes);
    CHECK(std::vector<std::uint64_t>(kernel.losses().begin(), kernel.losses().end()) == losses);
    CHECK(live_table(kernel) == live);

    kernel.count(true);
    CHECK(eventually([&] { return allocated_blocks(kernel) > blocks + 1000 && sum(kernel.hits(probes)) > hits + 2000; }));
}

RULE("after a trace the program's code is as it was, and nothing of ours is left in the kernel") {
    const Leftovers before = Leftovers::now();
    Child child({workload_path("forever")});
    child.wait_line("ready");
    const std::uint64_t code = code_hash(child.pid());
    for (const AttachMethod method : {AttachMethod::perf_event, calibrated().method}) {
        Trace trace(child, {}, method);
        REQUIRE(eventually([&] { return allocated_blocks(trace.kernel()) > 0; }));
        REQUIRE(code_hash(child.pid()) != code);
    }
    require_code(child.pid(), code);
    before.require_nothing_new();
}
