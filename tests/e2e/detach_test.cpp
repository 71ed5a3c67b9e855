// Whatever ends the tracer, the target goes on, its tables and its code are as before, and the system holds nothing of ours.
#include <csignal>
#include <functional>
#include <string>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/leftovers.hpp"
#include "support/process.hpp"
#include "support/python.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

struct End {
    const char* name;
    Arguments options;
    std::function<void(Tracer&)> cause;
};

const std::vector<End> orderly_ends = {
    {"--duration", {"--duration", "1"}, [](Tracer&) {}},
    {"Ctrl-C", {}, [](Tracer& tracer) { tracer.process().signal(SIGINT); }},
    {"SIGTERM", {}, [](Tracer& tracer) { tracer.process().signal(SIGTERM); }},
};

void kill_tracer(Tracer& tracer) {
    tracer.process().signal(SIGKILL);
    REQUIRE(tracer.process().wait() == Ending{true, SIGKILL});
}

std::uint64_t allocated_in(const Snapshot& snapshot, const std::string& domain) { return domain_total(snapshot, domain).allocated_blocks; }

void require_clean_detach_from_python(const Interpreter& interpreter, const End& end, bool redirects) {
    Child program = start_forever(interpreter);
    const std::string tables = allocator_tables(program);
    const std::uint64_t code = code_hash(program.pid());
    const Leftovers before = Leftovers::now();
    Tracer tracer = Tracer::attach(program, end.options);
    // A run bounded by --duration may be over by the time the tables are asked for.
    if (redirects && end.options.empty()) REQUIRE(allocator_tables(program) != tables);
    require_progress(program);
    end.cause(tracer);
    const Snapshot snapshot = tracer.finish();
    REQUIRE(allocated_in(snapshot, "obj") > 0);
    REQUIRE(allocator_tables(program) == tables);
    require_progress(program);
    require_code(program.pid(), code);
    before.require_nothing_new();
}

}  // namespace

RULE("a C program goes on after every end of its tracer, its code as before, nothing of ours left") {
    for (const auto& end : orderly_ends) {
        DYNAMIC_SECTION(end.name) {
            Child program({workload_path("forever")});
            program.wait_line("ready");
            const std::uint64_t code = code_hash(program.pid());
            const Leftovers before = Leftovers::now();
            Tracer tracer = Tracer::attach(program, end.options);
            require_progress(program);
            end.cause(tracer);
            const Snapshot snapshot = tracer.finish();
            REQUIRE(allocated_in(snapshot, "malloc") > 0);
            REQUIRE(lost(snapshot) == "");
            require_progress(program);
            require_code(program.pid(), code);
            before.require_nothing_new();
        }
    }
}

RULE("while a program is traced its code differs and the system holds things of ours, as the checks above would find if they stayed") {
    Child program({workload_path("forever")});
    program.wait_line("ready");
    const std::uint64_t code = code_hash(program.pid());
    const Leftovers before = Leftovers::now();
    Tracer tracer = Tracer::attach(program);
    REQUIRE(code_hash(program.pid()) != code);
    REQUIRE(before.new_things().find("program ") != std::string::npos);
    REQUIRE(before.new_things().find("map ") != std::string::npos);
    tracer.stop();
    require_code(program.pid(), code);
    before.require_nothing_new();
}

RULE("the static Python has its original tables back after every orderly end") {
    const Interpreter interpreter = static_python();
    for (const auto& end : orderly_ends) DYNAMIC_SECTION(end.name) {
            require_clean_detach_from_python(interpreter, end, true);
        }
}

RULE("the shared Python goes on unchanged after every orderly end") {
    const Interpreter interpreter = shared_python();
    for (const auto& end : orderly_ends) DYNAMIC_SECTION(end.name) {
            require_clean_detach_from_python(interpreter, end, false);
        }
}

RULE("a C program survives SIGKILL of its tracer, and the kernel takes the probes out") {
    Child program({workload_path("forever")});
    program.wait_line("ready");
    const std::uint64_t code = code_hash(program.pid());
    const Leftovers before = Leftovers::now();
    Tracer tracer = Tracer::attach(program);
    kill_tracer(tracer);
    require_progress(program);
    require_code(program.pid(), code);
    before.remove_new_dead_sockets();
    before.require_nothing_new();
}

RULE("after SIGKILL of the tracer Python goes on with redirected tables; the next tracer knows them, sees everything, and restores them") {
    Child program = start_forever(static_python());
    const std::string tables = allocator_tables(program);
    const std::uint64_t code = code_hash(program.pid());
    const Leftovers before = Leftovers::now();
    {
        Tracer killed = Tracer::attach(program);
        kill_tracer(killed);
    }
    require_progress(program);
    before.remove_new_dead_sockets();
    before.require_nothing_new();
    REQUIRE(allocator_tables(program) != tables);

    Tracer next = Tracer::attach(program);
    require_progress(program);
    const Snapshot snapshot = next.stop();
    REQUIRE(lost(snapshot) == "");
    // Each round of forever.py makes 200 lists, floats, dictionaries and strings.
    REQUIRE(allocated_in(snapshot, "obj") >= 200);
    REQUIRE(allocator_tables(program) == tables);
    require_progress(program);
    require_code(program.pid(), code);
    before.require_nothing_new();
}

RULE("tracing the same Python again and again changes nothing in it") {
    Child program = start_forever(static_python());
    const std::string tables = allocator_tables(program);
    const Leftovers before = Leftovers::now();
    for (int times = 0; times < 3; ++times) {
        Tracer tracer = Tracer::attach(program);
        require_progress(program);
        REQUIRE(allocated_in(tracer.stop(), "obj") > 0);
        REQUIRE(allocator_tables(program) == tables);
    }
    before.require_nothing_new();
}
