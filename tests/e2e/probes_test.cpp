// The plan: every hook has a probe, the hot ones where a hit is cheap, and hits are counted.
#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/hooks.h"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/ledger.hpp"
#include "support/leftovers.hpp"
#include "support/process.hpp"
#include "support/python.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

const std::vector<std::string> libc_hooks = {
#define HOOK(symbol, domain, shape) #symbol,
    MT_LIBC_HOOKS(HOOK)
#undef HOOK
};

// The first hook of the list at the same address: aliases are probed once, under that name.
std::string first_alias(const std::string& hook) {
    for (const auto& other : libc_hooks)
        if (dlsym(RTLD_DEFAULT, other.c_str()) == dlsym(RTLD_DEFAULT, hook.c_str())) return other;
    return hook;
}

std::optional<Probe> find_probe(const std::vector<Probe>& probes, const std::string& hook) {
    const auto found = std::find_if(probes.begin(), probes.end(), [&](const Probe& probe) { return probe.hook == hook; });
    return found == probes.end() ? std::nullopt : std::optional(*found);
}

// The words after `hook` in the plan's text; empty when it has no line.
std::string line_of(const std::string& text, const std::string& hook) {
    const std::size_t at = ("\n" + text).find("\n" + hook + " ");
    return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
}

Snapshot trace_aligned_and_single() {
    Child program({workload_path("ledger_aligned")});
    program.wait_line("ready");
    Tracer tracer = Tracer::attach(program);
    program.send_line("go");
    program.wait_line("done");
    return tracer.stop();
}

}  // namespace

RULE("every hook of the C library is planned, and shown with its place and its method") {
    require_root();
    Child program({workload_path("forever")});
    program.wait_line("ready");
    const Leftovers before = Leftovers::now();
    Child probes = run(tracer_command({"probes", "-p", std::to_string(program.pid())}));
    const Ending ending = probes.wait();
    INFO(probes.transcript());
    REQUIRE(ending == Ending{false, 0});
    for (const auto& hook : libc_hooks) {
        INFO(hook);
        const std::string line = line_of(probes.output(), first_alias(hook));
        REQUIRE(line != "");
        REQUIRE((line.find("emulated") != std::string::npos || line.find("single-stepped") != std::string::npos));
        REQUIRE(line.find("libc.so.6") != std::string::npos);
    }
    require_progress(program);
    before.require_nothing_new();
}

RULE("malloc, calloc, realloc and free of this C library stand on emulated instructions") {
    const Snapshot snapshot = trace_aligned_and_single();
    for (const char* hook : {"malloc", "calloc", "realloc", "free"}) {
        INFO(hook);
        const auto probe = find_probe(snapshot.probes, hook);
        REQUIRE(probe.has_value());
        REQUIRE(probe->method.starts_with("emulated"));
        REQUIRE(probe->entry_ns > 0);
        REQUIRE(!probe->instruction.empty());
        REQUIRE(probe->file.find("libc.so.6") != std::string::npos);
    }
}

RULE("hits are counted where calls were made") {
    const Snapshot snapshot = trace_aligned_and_single();
    // ledger_aligned makes 200 rounds: 2 more posix_memalign and 1 more memalign fail in each.
    const std::vector<std::pair<std::string, std::uint64_t>> calls = {
        {"posix_memalign", 600}, {first_alias("memalign"), 400}, {"valloc", 200}, {"pvalloc", 200}, {"free", 200}};
    for (const auto& [hook, count] : calls) {
        INFO(hook);
        const auto probe = find_probe(snapshot.probes, hook);
        REQUIRE(probe.has_value());
        REQUIRE(probe->hits >= count);
    }
    REQUIRE(find_probe(snapshot.probes, "reallocarray").value().hits == 0);
    REQUIRE(snapshot.events >= 1600);
}

RULE("the three tables of a Python are found, each function of them probed, and the pointers of inlined ones redirected") {
    for (const Interpreter& interpreter : {static_python(), shared_python()}) {
        DYNAMIC_SECTION(interpreter.name) {
            Child program = start_forever(interpreter);
            Tracer tracer = Tracer::attach(program);
            require_progress(program);
            const Snapshot snapshot = tracer.stop();
            for (const std::string function : {"malloc", "calloc", "realloc", "free"}) {
                INFO(function);
                REQUIRE(find_probe(snapshot.probes, "raw." + function).has_value());
                // PyMem and PyObject share pymalloc's functions: one probe serves both.
                const auto probe = find_probe(snapshot.probes, "mem/obj." + function);
                REQUIRE(probe.has_value());
                REQUIRE(probe->method.starts_with("emulated"));
            }
            REQUIRE(find_probe(snapshot.probes, "obj.malloc")->hits > 0);
            REQUIRE(find_probe(snapshot.probes, "obj.free")->hits > 0);
        }
    }
}
