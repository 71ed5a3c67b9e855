// Parses ledgers and compares them with snapshots; see ledger.hpp.
#include "support/ledger.hpp"

#include <set>
#include <sstream>

#include "support/catch.hpp"

namespace memtrace::test {
namespace {

std::string without_folders(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string describe(const LineTotals& totals) {
    std::ostringstream text;
    text << "live " << totals.live_bytes << " B in " << totals.live_blocks << ", allocated " << totals.allocated_bytes << " B in "
         << totals.allocated_blocks;
    return text.str();
}

}  // namespace

Ledger parse_ledger(const std::string& output) {
    Ledger ledger;
    bool done = false;
    std::istringstream text(output);
    for (std::string line; std::getline(text, line);) {
        std::istringstream words(line);
        std::string kind, name;
        LineTotals totals;
        words >> kind;
        if (kind == "LINE") {
            words >> name >> totals.live_blocks >> totals.live_bytes >> totals.allocated_blocks >> totals.allocated_bytes;
            ledger.lines[without_folders(name)] = totals;
        } else if (kind == "UNTRACKED") {
            words >> ledger.untracked_frees;
        } else if (kind == "TOTAL") {
            words >> totals.live_blocks >> totals.live_bytes;
            ledger.total = totals;
        } else if (kind == "CALL") {
            words >> name;
            ledger.call = without_folders(name);
        }
        done = done || line == "done";
        if (words.fail()) FAIL("not a ledger's line: " << line);
    }
    if (!done || (ledger.lines.empty() && !ledger.total)) FAIL("no complete ledger in:\n" << output);
    return ledger;
}

std::string line_name(const Snapshot& snapshot, FrameId id) {
    const Frame& frame = snapshot.frame(id);
    return without_folders(snapshot.text(frame.file)) + ":" + std::to_string(frame.line);
}

Lines lines_of_file(const Snapshot& snapshot, const std::string& file) {
    Lines lines;
    for (const auto& site : snapshot.sites) {
        if (without_folders(snapshot.text(snapshot.frame(site.frames.front()).file)) != file) continue;
        LineTotals& totals = lines[line_name(snapshot, site.frames.front())];
        totals.live_blocks += site.counters.live_blocks();
        totals.live_bytes += site.counters.live_bytes();
        totals.allocated_blocks += site.counters.allocated_blocks;
        totals.allocated_bytes += site.counters.allocated_bytes;
    }
    return lines;
}

std::string differences(const Lines& truth, const Lines& seen) {
    std::set<std::string> names;
    for (const auto& side : {truth, seen})
        for (const auto& [name, totals] : side) names.insert(name);
    std::string text;
    for (const auto& name : names) {
        const auto expected = truth.find(name);
        const auto found = seen.find(name);
        if (expected != truth.end() && found != seen.end() && expected->second == found->second) continue;
        text += name + "\n  is   " + (expected == truth.end() ? "no allocating line" : describe(expected->second)) + "\n  seen " +
                (found == seen.end() ? "not at all" : describe(found->second)) + "\n";
    }
    return text;
}

std::string ledger_file(const Ledger& ledger) {
    if (ledger.lines.empty()) FAIL("a ledger without lines");
    const std::string& name = ledger.lines.begin()->first;
    return name.substr(0, name.rfind(':'));
}

}  // namespace memtrace::test
