// --max-overhead: what costs too much is no longer traced, and the report says so.
#include <algorithm>
#include <filesystem>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/leftovers.hpp"
#include "support/python.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

std::string dropped_notes(const Snapshot& snapshot) {
    std::string text;
    for (const std::string& note : snapshot.notes)
        if (note.find("not traced since") != std::string::npos) text += note + "\n";
    return text;
}

std::uint64_t python_hits(const Snapshot& snapshot) {
    std::uint64_t hits = 0;
    for (const Probe& probe : snapshot.probes)
        if (probe.hook.find('.') != std::string::npos) hits += probe.hits;
    return hits;
}

std::uint64_t hits_of(const Snapshot& snapshot, const std::string& hook) {
    for (const Probe& probe : snapshot.probes)
        if (probe.hook == hook) return probe.hits;
    return 0;
}

// The pointers that only the removed probes needed are put back.
bool has_dropped(Child& program, const std::string& tables) {
    return eventually([&] { return allocator_tables(program) == tables; });
}

}  // namespace

RULE("when tracing costs more than allowed the costliest probes go, their pointers are put back, and the report says since when") {
    require_root();
    const Leftovers before = Leftovers::now();
    Child program = start_forever(static_python());
    const std::string tables = allocator_tables(program);
    Tracer tracer = Tracer::attach(program, {"--max-overhead", "5"});
    REQUIRE(allocator_tables(program) != tables);
    REQUIRE(has_dropped(program, tables));
    require_progress(program);
    const Snapshot snapshot = tracer.stop();
    CHECK(dropped_notes(snapshot).find("CPython's allocators") != std::string::npos);
    CHECK(dropped_notes(snapshot).find("--max-overhead 5") != std::string::npos);
    CHECK(python_hits(snapshot) > 10'000);
    require_progress(program);
    program.send_line("quit");
    REQUIRE(program.wait() == Ending{false, 0});
    before.require_nothing_new();
}

RULE("after that the removed probes are hit no more, and the others still are") {
    require_root();
    const TemporaryFolder folder;
    Child program = start_forever(static_python());
    const std::string tables = allocator_tables(program);
    Tracer tracer = Tracer::attach(program, {"--max-overhead", "5", "--snapshot-every", "0.2", "--snapshot-template", folder.file("$counter.pb.gz")});
    REQUIRE(has_dropped(program, tables));
    const auto file = [&](unsigned number) {
        std::string name = std::to_string(number);
        return folder.file(std::string(4 - std::min<std::size_t>(name.size(), 4), '0') + name + ".pb.gz");
    };
    unsigned number = 1;
    while (std::filesystem::exists(file(number))) ++number;
    REQUIRE(eventually([&] { return std::filesystem::exists(file(number + 2)); }));
    const Snapshot earlier = load_snapshot(file(number + 1));
    const std::uint64_t done = progress(program);
    REQUIRE(eventually([&] { return progress(program) > done + 1000; }));
    const Snapshot last = tracer.stop();
    CHECK(python_hits(earlier) > 10'000);
    CHECK(python_hits(last) == python_hits(earlier));
    CHECK(hits_of(last, "free") + hits_of(last, "malloc") + hits_of(last, "realloc") >= hits_of(earlier, "free"));
    CHECK(std::any_of(last.probes.begin(), last.probes.end(), [](const Probe& probe) { return probe.hook == "malloc"; }));
}

RULE("a program that stays below the limit keeps all its probes") {
    require_root();
    Child program = start_forever(static_python());
    Tracer tracer = Tracer::attach(program, {"--max-overhead", "95", "--duration", "5"});
    const Snapshot snapshot = tracer.finish();
    CHECK(dropped_notes(snapshot) == "");
    CHECK(python_hits(snapshot) > 0);
}
