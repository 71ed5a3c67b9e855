// `memtrace-bpf -- COMMAND`: the command runs as if it were alone, and its end is ours.
#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/leftovers.hpp"
#include "support/process.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

std::string shell_output(const std::string& script, const SpawnOptions& spawn = {}) {
    const CommandTrace trace = trace_command({"sh", "-c", script}, {}, spawn);
    INFO(trace.process.transcript());
    REQUIRE(trace.ending == Ending{false, 0});
    return trace.process.output();
}

}  // namespace

RULE("the exit status is the command's") {
    for (const int status : {0, 1, 7, 255}) {
        INFO("exit " << status);
        const Ending ending = trace_command({"sh", "-c", "exit " + std::to_string(status)}).ending;
        REQUIRE(ending == Ending{false, status});
    }
}

RULE("a command killed by a signal gives 128 plus the signal") {
    for (const int signal : {SIGTERM, SIGKILL, SIGSEGV}) {
        INFO("signal " << signal);
        const Ending ending = trace_command({"sh", "-c", "kill -" + std::to_string(signal) + " $$"}).ending;
        REQUIRE(ending == Ending{false, 128 + signal});
    }
}

RULE("arguments reach the command as they are, options of ours among them") {
    const CommandTrace trace = trace_command({"printf", "<%s>\n", "two words", "", "*", "-p", "--", "$HOME"});
    REQUIRE(trace.ending == Ending{false, 0});
    REQUIRE(contains(trace.process.output(), "<two words>\n<>\n<*>\n<-p>\n<-->\n<$HOME>\n"));
}

RULE("the command finds the environment, folder, signals and file descriptors it would find alone") {
    const TemporaryFolder folder;
    const SpawnOptions spawn{{{"MEMTRACE_TEST_VALUE", "a b"}}, false, folder.path().string()};
    const std::string script =
        "echo \"value=$MEMTRACE_TEST_VALUE\"; env | sort; pwd; umask; ulimit -a; ls /proc/self/fd; "
        "grep -E 'Sig(Ign|Blk)|Groups|NoNewPrivs|Seccomp:' /proc/self/status";
    const std::string alone = run({"sh", "-c", script}, spawn).output();
    REQUIRE(contains(alone, "value=a b\n"));
    REQUIRE(contains(alone, "SigBlk:"));
    const std::string traced = shell_output(script, spawn);
    REQUIRE(traced == alone);
}

RULE("stdin is the command's") {
    require_root();
    Child tracer(tracer_command({"--", "cat"}));
    tracer.send_line("a line for cat");
    tracer.wait_line("a line for cat");
    tracer.close_stdin();
    REQUIRE(tracer.wait() == Ending{false, 0});
}

RULE("a command that is not there is named, and nothing is left") {
    const Leftovers before = Leftovers::now();
    const TemporaryFolder folder;
    Child process = run(tracer_command({"-o", folder.file("s.pb.gz"), "--", "/no/such/command", "x"}));
    const Ending ending = process.wait();
    INFO(process.transcript());
    REQUIRE(!ending.signaled);
    REQUIRE(ending.code != 0);
    REQUIRE(contains(process.errors(), "memtrace-bpf: "));
    REQUIRE(contains(process.errors(), "/no/such/command"));
    REQUIRE(folder.listing() == "");
    before.require_nothing_new();
}

RULE("under sudo the command runs as the user who called, and the snapshot is that user's alone") {
    require_root();
    const TemporaryFolder folder;
    const std::string file = folder.file("s.pb.gz");
    const SpawnOptions sudo{{{"SUDO_UID", "65534"}, {"SUDO_GID", "65534"}, {"SUDO_USER", "nobody"}}};
    Child process = run(tracer_command({"-o", file, "--", "sh", "-c", "echo uid=$(id -u):$(id -g); grep CapEff /proc/self/status"}), sudo);
    const Ending ending = process.wait();
    INFO(process.transcript());
    REQUIRE(ending == Ending{false, 0});
    REQUIRE(contains(process.output(), "uid=65534:65534\n"));
    REQUIRE(contains(process.output(), "CapEff:\t0000000000000000\n"));
    struct stat status {};
    REQUIRE(stat(file.c_str(), &status) == 0);
    REQUIRE(status.st_uid == 65534);
    REQUIRE((status.st_mode & 07777) == 0600);
}

RULE("tracing a command from its first instruction leaves nothing behind") {
    const Leftovers before = Leftovers::now();
    const CommandTrace trace = trace_command({"/bin/true"});
    REQUIRE(trace.ending == Ending{false, 0});
    REQUIRE(trace.snapshot.processes.size() == 1);
    before.require_nothing_new();
}
