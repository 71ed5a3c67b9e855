// Targets in namespaces and roots of their own, with other C libraries and Pythons than ours; and ourselves in a namespace.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "support/catch.hpp"
#include "support/commands.hpp"
#include "support/files.hpp"
#include "support/ledger.hpp"
#include "support/process.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

/// The one child of a process that forks once and waits (unshare --fork).
pid_t child_of(const Child& parent) {
    const std::string path = "/proc/" + std::to_string(parent.pid()) + "/task/" + std::to_string(parent.pid()) + "/children";
    pid_t child = 0;
    REQUIRE(eventually([&] { return static_cast<bool>(std::ifstream(path) >> child); }));
    return child;
}

/// A program behind `wrapper` that speaks the workloads' protocol, traced from "ready" to "done".
struct Contained {
    Child program;
    pid_t pid = 0;
    Snapshot snapshot;
    std::string report;
};

Contained trace_contained(const Arguments& command, bool forks, const Arguments& options = {}) {
    require_root();
    const TemporaryFolder folder;
    Child program(command);
    program.wait_line("ready");
    const pid_t pid = forks ? child_of(program) : program.pid();
    Arguments arguments{"-p", std::to_string(pid), "-o", folder.file("s")};
    arguments.insert(arguments.end(), options.begin(), options.end());
    Child tracer(tracer_command(arguments));
    tracer.wait_error_line("memtrace-bpf: tracing pid " + std::to_string(pid));
    program.send_line("go");
    program.wait_line("done");
    tracer.signal(SIGINT);
    const Ending ending = tracer.wait();
    INFO(tracer.transcript());
    REQUIRE(ending == Ending{false, 0});
    Snapshot snapshot = load_snapshot(folder.file("s"));
    program.send_line("end");
    return {std::move(program), pid, std::move(snapshot), tracer.output()};
}

void require_equal(const Contained& traced) {
    INFO(traced.report);
    const Ledger ledger = parse_ledger(traced.program.output());
    CHECK(differences(ledger.lines, lines_of_file(traced.snapshot, ledger_file(ledger))) == "");
    CHECK(lost(traced.snapshot) == "");
}

void shell(const std::string& command) {
    Child child = run({"sh", "-ec", command});
    const Ending ending = child.wait();
    INFO(command << "\n" << child.transcript());
    REQUIRE(ending == Ending{false, 0});
}

bool installed(const std::string& program) { return run({"sh", "-c", "command -v " + program}).wait() == Ending{false, 0}; }

// A C library of its own, a program linked to it, and nothing else: the debug information of the program lies in the root, too.
std::string musl_root(const TemporaryFolder& folder, bool is_static) {
    if (!installed("musl-gcc")) skip("no musl-gcc on this machine");
    const std::string root = folder.file("root");
    const std::string source = std::filesystem::path(workload_path("ledger_single")).parent_path().parent_path().parent_path() /
                               "tests/workloads/ledger_single.c";
    shell("mkdir -p " + root + "/lib " + root +
          "/usr/lib/debug && musl-gcc -g -O1 -fno-builtin -fno-omit-frame-pointer -D_GNU_SOURCE -Wl,--build-id=sha1 " +
          std::string(is_static ? "-static " : "") + source + " -o " + root + "/program");
    if (is_static) return root;
    shell("cp -L /lib/ld-musl-x86_64.so.1 " + root + "/lib/");
    shell("cd " + root +
          " && id=$(readelf -n program | sed -n 's/.*Build ID: //p') && d=usr/lib/debug/.build-id/$(echo $id | cut -c1-2) && mkdir -p $d && "
          "objcopy --only-keep-debug program $d/$(echo $id | cut -c3-).debug && strip -g program");
    return root;
}

const Arguments all_namespaces{"unshare", "--mount", "--pid", "--fork", "--net", "--uts", "--ipc", "--user", "--map-root-user"};

Arguments operator+(Arguments first, const Arguments& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

}  // namespace

RULE("a program in mount, pid, user and network namespaces of its own is traced as any other, from files that only it sees") {
    if (!installed("unshare")) skip("no unshare on this machine");
    const TemporaryFolder folder;
    const std::string inside = folder.file("inside");
    std::filesystem::create_directory(inside);
    const std::string program = workload_path("ledger_single");
    const Contained traced = trace_contained(
        all_namespaces +
            Arguments{"sh", "-c", "mount -t tmpfs none " + inside + " && cp " + program + " " + inside + "/program && exec " + inside + "/program"},
        true);
    require_equal(traced);
    REQUIRE(traced.snapshot.processes.size() == 1);
    CHECK(traced.snapshot.processes[0].pid == traced.pid);
    CHECK(traced.snapshot.processes[0].namespace_pid == 1);
    CHECK(contains(traced.report, "pid " + std::to_string(traced.pid) + " (1 in its namespace)"));
    CHECK_FALSE(std::filesystem::exists(inside + "/program"));
}

RULE("a program in a root with another C library and nothing else is traced, and named by debug files of that root") {
    for (const bool is_static : {false, true}) {
        const TemporaryFolder folder;
        const std::string root = musl_root(folder, is_static);
        require_equal(trace_contained({"chroot", root, "/program"}, false));
    }
}

RULE("a Python in a root of its own is traced by its lines") {
    if (!installed("unshare")) skip("no unshare on this machine");
    const TemporaryFolder folder;
    const std::string root = folder.file("root");
    shell("mkdir -p " + root + "/usr " + root + "/srv && ln -s usr/lib " + root + "/lib && ln -s usr/lib64 " + root + "/lib64");
    write_text(root + "/srv/shop.py",
               "print('ready', flush=True)\ninput()\nkept = [bytes(5000) for _ in range(100)]\nprint('done', flush=True)\ninput()\n");
    const Contained traced = trace_contained(
        Arguments{"unshare", "--mount", "--pid", "--fork", "sh", "-c",
                  "mount --bind /usr " + root + "/usr && exec chroot " + root + " /usr/bin/python3 -S /srv/shop.py"},
        true);
    const Lines lines = lines_of_file(traced.snapshot, "shop.py");
    REQUIRE(lines.contains("shop.py:3"));
    CHECK(lines.at("shop.py:3").live_blocks >= 100);
    CHECK(lines.at("shop.py:3").live_bytes >= 500'000);
    CHECK(lost(traced.snapshot) == "");
}

RULE("programs on an overlay file system, whose device is not that of its files, are traced by name and line") {
    if (!installed("unshare")) skip("no unshare on this machine");
    const TemporaryFolder folder;
    const std::string base = folder.path();
    shell("cd " + base + " && mkdir tmpfs");
    const std::string mounts = "cd " + base + " && mount -t tmpfs none tmpfs && cd tmpfs && mkdir lower upper work merged && cp " +
                               workload_path("ledger_single") +
                               " lower/program && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged";
    if (run({"unshare", "--mount", "sh", "-ec", mounts}).wait() != Ending{false, 0}) skip("no overlay file systems here");
    const Contained traced = trace_contained({"unshare", "--mount", "sh", "-ec", mounts + " && exec " + base + "/tmpfs/merged/program"}, false);
    require_equal(traced);
}

RULE("no link in a target's root leads the tracer out of it") {
    const TemporaryFolder folder;
    const std::string root = musl_root(folder, false);
    // The right debug file lies outside; inside there is a link to it, as the container would like it to be read.
    shell("mv " + root + "/usr/lib/debug " + folder.file("outside") + " && ln -s " + folder.file("outside") + " " + root + "/usr/lib/debug");
    const Contained led_out = trace_contained({"chroot", root, "/program"}, false);
    CHECK(lines_of_file(led_out.snapshot, "ledger_single.c").empty());
    // The same link in a root where its name means something.
    shell("mkdir -p " + root + folder.path().string() + " && mv " + folder.file("outside") + " " + root + folder.path().string() + "/");
    require_equal(trace_contained({"chroot", root, "/program"}, false));
}

RULE("in a pid namespace of our own we trace what lives there") {
    if (!installed("unshare")) skip("no unshare on this machine");
    require_root();
    const TemporaryFolder folder;
    Child tracer = run(
        Arguments{"unshare", "--pid", "--fork", "--mount-proc"} + tracer_command({"-o", folder.file("s"), "--", workload_path("ledger_single")}),
        {{{"MEMTRACE_WORKLOAD_NOWAIT", "1"}}});
    const Ending ending = tracer.wait();
    INFO(tracer.transcript());
    REQUIRE(ending == Ending{false, 0});
    const Snapshot snapshot = load_snapshot(folder.file("s"));
    const Ledger ledger = parse_ledger(tracer.output());
    CHECK(differences(ledger.lines, lines_of_file(snapshot, ledger_file(ledger))) == "");
    CHECK(lost(snapshot) == "");
}
