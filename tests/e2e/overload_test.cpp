// Too many blocks for the live table: what was seen and what was lost add up to what the program did.
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/ledger.hpp"
#include "support/process.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

Counters sum(const Lines& lines) {
    Counters total;
    for (const auto& [name, line] : lines)
        total += {line.allocated_blocks, line.allocated_bytes, line.allocated_blocks - line.live_blocks, line.allocated_bytes - line.live_bytes};
    return total;
}

}  // namespace

RULE("with a live table of 1000 blocks, seen plus lost is the truth, and full is the only cause") {
    Child program({workload_path("ledger_overload")});
    program.wait_line("ready");
    Tracer tracer = Tracer::attach(program, {"--live-blocks", "1000"});
    program.send_line("go");
    program.wait_line("done");
    const Snapshot snapshot = tracer.stop();
    const Ledger ledger = parse_ledger(program.output());
    const Counters truth = sum(ledger.lines);
    const Counters seen = sum(lines_of_file(snapshot, ledger_file(ledger)));
    const std::uint64_t full = loss(snapshot, MT_LOST_LIVE_FULL);

    REQUIRE(full > 0);
    REQUIRE(seen.allocated_blocks + full == truth.allocated_blocks);
    REQUIRE(lost(snapshot, MT_LOST_LIVE_FULL) == "");
    // A block that was not seen coming is not seen going.
    REQUIRE(seen.freed_blocks + loss(snapshot, MT_UNTRACKED_FREES) == truth.freed_blocks);
    // The option is honoured: it may be rounded up, not multiplied.
    REQUIRE(seen.live_blocks() >= 500);
    REQUIRE(seen.live_blocks() <= 2000);
    REQUIRE(inconsistencies(snapshot) == "");
}

RULE("lines seen under overload are never charged more than they allocated") {
    Child program({workload_path("ledger_overload")});
    program.wait_line("ready");
    Tracer tracer = Tracer::attach(program, {"--live-blocks", "1000"});
    program.send_line("go");
    program.wait_line("done");
    const Snapshot snapshot = tracer.stop();
    const Ledger ledger = parse_ledger(program.output());
    const Lines seen = lines_of_file(snapshot, ledger_file(ledger));
    REQUIRE(!seen.empty());
    for (const auto& [name, totals] : seen) {
        INFO(name);
        REQUIRE(ledger.lines.contains(name));
        REQUIRE(totals.allocated_blocks <= ledger.lines.at(name).allocated_blocks);
        REQUIRE(totals.allocated_bytes <= ledger.lines.at(name).allocated_bytes);
        REQUIRE(totals.live_blocks <= ledger.lines.at(name).live_blocks);
    }
}

RULE("a full site table loses sites, counts them under its own cause, and the rest stays right") {
    Child program({workload_path("ledger_single")});
    program.wait_line("ready");
    Tracer tracer = Tracer::attach(program, {"--sites", "1"});
    program.send_line("go");
    program.wait_line("done");
    const Snapshot snapshot = tracer.stop();
    const Ledger ledger = parse_ledger(program.output());
    const Counters truth = sum(ledger.lines);
    const Lines lines = lines_of_file(snapshot, ledger_file(ledger));
    const Counters seen = sum(lines);
    REQUIRE(seen.allocated_blocks + loss(snapshot, MT_LOST_SITE_FULL) == truth.allocated_blocks);
    REQUIRE(lost(snapshot, MT_LOST_SITE_FULL) == "");
    for (const auto& [name, totals] : lines) {
        INFO(name);
        REQUIRE(ledger.lines.contains(name));
        REQUIRE(totals == ledger.lines.at(name));
    }
}
