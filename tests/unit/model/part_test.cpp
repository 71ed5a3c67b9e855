// The part of a snapshot that one user may see.
#include "model/part.hpp"

#include <algorithm>

#include "model/statistics.hpp"
#include "support/catch.hpp"

using namespace memtrace;

namespace {

// Three processes; the second one's names are secret.
Snapshot sample() {
    Snapshot snapshot;
    Interner names(snapshot);
    const StringId domain = names.string("malloc");
    for (std::uint32_t i = 0; i < 3; ++i) {
        Process process;
        process.pid = static_cast<std::int32_t>(100 + i);
        process.command = i == 1 ? "secret command" : "open";
        process.traced_bytes = 1000 * (i + 1);
        process.domains = {{names.string(i == 1 ? "secret domain" : "malloc"), 5, 6}};
        snapshot.processes.push_back(process);
        for (unsigned line = 1; line <= 3; ++line) {
            Site site;
            site.process = i;
            site.domain = domain;
            site.frames = {names.frame({i == 1 ? "secret.py" : "open.py", line, i == 1 ? "secret_function" : "f", true}),
                           names.frame({"shared.py", 7, "g", true})};
            site.thread_name = names.string(i == 1 ? "secret thread" : "t");
            site.counters = {4, 400 + i, 1, 100};
            snapshot.sites.push_back(site);
        }
        snapshot.marks.push_back({i == 1 ? "secret mark" : "m", {}, process.pid, 1, {}});
    }
    snapshot.probes.push_back({"malloc", "/secret/lib.so", 1, "malloc", "push", "emulated", 1, 1});
    snapshot.notes = {"secret note"};
    snapshot.user_data = {{"secret data", "size", 1}};
    snapshot.losses = {{"table full", 3, true}};
    snapshot.events = 77;
    return snapshot;
}

bool tells(const Snapshot& snapshot, const std::string& word) {
    const auto has = [&](const std::string& text) { return text.find(word) != std::string::npos; };
    return std::any_of(snapshot.strings.begin(), snapshot.strings.end(), has) || std::any_of(snapshot.notes.begin(), snapshot.notes.end(), has) ||
           std::any_of(snapshot.processes.begin(), snapshot.processes.end(), [&](const Process& process) { return has(process.command); }) ||
           std::any_of(snapshot.marks.begin(), snapshot.marks.end(), [&](const Mark& mark) { return has(mark.name); }) ||
           std::any_of(snapshot.probes.begin(), snapshot.probes.end(), [&](const Probe& probe) { return has(probe.file); }) ||
           std::any_of(snapshot.user_data.begin(), snapshot.user_data.end(), [&](const UserDatum& datum) { return has(datum.title); });
}

}  // namespace

RULE("who may see all processes gets the snapshot as it is") { REQUIRE(part_of(sample(), {true, true, true}) == sample()); }

RULE("of a process that may not be seen nothing is left, not even a name") {
    REQUIRE(tells(sample(), "secret"));
    const Snapshot part = part_of(sample(), {true, false, true});
    REQUIRE_FALSE(tells(part, "secret"));
    REQUIRE(part.processes.size() == 2);
    REQUIRE(part.processes[0].pid == 100);
    REQUIRE(part.processes[1].pid == 102);
    REQUIRE(part.marks.size() == 2);
    REQUIRE(part.losses == sample().losses);
    REQUIRE(part.events == 77);
}

RULE("what may be seen says the same as before") {
    const Snapshot whole = sample(), part = part_of(whole, {false, false, true});
    REQUIRE(part.sites.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        const Site &before = whole.sites[6 + i], &after = part.sites[i];
        REQUIRE(after.process == 0);
        REQUIRE(after.counters == before.counters);
        REQUIRE(part.text(after.domain) == whole.text(before.domain));
        REQUIRE(part.text(after.thread_name) == "t");
        REQUIRE(after.frames.size() == 2);
        for (std::size_t frame = 0; frame < 2; ++frame) {
            const Frame &was = whole.frame(before.frames[frame]), &is = part.frame(after.frames[frame]);
            REQUIRE(part.text(is.file) == whole.text(was.file));
            REQUIRE(part.text(is.function) == whole.text(was.function));
            REQUIRE(is.line == was.line);
        }
    }
    REQUIRE(part.strings.size() < whole.strings.size());
    REQUIRE(statistics(part).size() == 3);
}

RULE("who may see none gets none; missing elements count as not to be seen") {
    REQUIRE(part_of(sample(), {}).processes.empty());
    REQUIRE(part_of(sample(), {true}).processes.size() == 1);
    REQUIRE(part_of(sample(), {false, false, false}).sites.empty());
    REQUIRE(part_of(Snapshot(), {}) == Snapshot());
}
