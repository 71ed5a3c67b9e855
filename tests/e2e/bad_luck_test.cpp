// Targets that cannot be traced and moments that go wrong: a clear error, exit status not 0, the target unharmed, nothing left behind.
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
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

// Requires an orderly failure that says what it is about.
void require_refusal(Child& child, const std::string& mentioned) {
    const Ending ending = child.wait();
    INFO(child.transcript());
    REQUIRE(!ending.signaled);
    REQUIRE(ending.code != 0);
    REQUIRE(contains(child.errors(), "memtrace-bpf: "));
    REQUIRE(contains(child.errors(), mentioned));
}

void require_refused(const Arguments& arguments, const std::string& mentioned, const SpawnOptions& options = {}) {
    const Leftovers before = Leftovers::now();
    Child tracer = run(tracer_command(arguments), options);
    require_refusal(tracer, mentioned);
    before.require_nothing_new();
}

std::string pid_text(const Child& program) { return std::to_string(program.pid()); }

// A pid that was a child's a moment ago and is nobody's now.
std::string unused_pid() {
    Child ended = run({"/bin/true"});
    return pid_text(ended);
}

// A full file system of one page.
class FullFolder {
public:
    FullFolder() {
        if (mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=4k") != 0) skip("cannot mount a tmpfs");
        mounted_ = true;
        write_text(folder_.file("filler"), std::string(4096, 'x'));
    }
    ~FullFolder() {
        if (mounted_) umount2(folder_.path().c_str(), MNT_DETACH);
    }
    FullFolder(const FullFolder&) = delete;
    FullFolder& operator=(const FullFolder&) = delete;
    [[nodiscard]] const TemporaryFolder& folder() const { return folder_; }

private:
    TemporaryFolder folder_;
    bool mounted_ = false;
};

}  // namespace

RULE("a pid nobody has is named") {
    const std::string pid = unused_pid();
    require_refused({"-p", pid}, pid);
    require_refused({"probes", "-p", pid}, pid);
}

RULE("a process that ends at any moment while we attach ends the trace or the attempt, never hangs it") {
    const Leftovers before = Leftovers::now();
    for (int moment = 0; moment < 16; ++moment) {
        Child program = start_workload(moment % 2 == 0 ? "ledger_single" : "forever");
        Child tracer(tracer_command({"-p", pid_text(program)}));
        // Not a wait for anything: it spreads the end over all stages of attaching.
        usleep(static_cast<useconds_t>(moment * moment * 3000));
        program.signal(SIGKILL);
        const Ending ending = tracer.wait();
        INFO("moment " << moment << "\n" << tracer.transcript());
        REQUIRE(!ending.signaled);
        const bool traced = contains(tracer.errors(), "memtrace-bpf: tracing pid");
        if (!traced) REQUIRE(ending.code != 0);
        if (ending.code != 0) REQUIRE(contains(tracer.errors(), "memtrace-bpf: "));
    }
    before.require_nothing_new();
}

RULE("a Python that ends at any moment while we attach ends the trace or the attempt, never hangs it") {
    const Interpreter interpreter = static_python();
    const Leftovers before = Leftovers::now();
    for (int moment = 0; moment < 12; ++moment) {
        Child program = start_forever(interpreter);
        Child tracer(tracer_command({"-p", pid_text(program)}));
        usleep(static_cast<useconds_t>(moment * moment * 6000));
        program.signal(SIGKILL);
        const Ending ending = tracer.wait();
        INFO("moment " << moment << "\n" << tracer.transcript());
        REQUIRE(!ending.signaled);
    }
    before.require_nothing_new();
}

RULE("a kernel thread is refused as such") {
    if (!contains(read_text("/proc/2/comm"), "kthreadd")) skip("pid 2 is no kernel thread here (a container?)");
    require_refused({"-p", "2"}, "kernel thread");
}

RULE("we do not trace ourselves") {
    const Leftovers before = Leftovers::now();
    Child tracer = run({"sh", "-c", "exec \"$0\" -p $$", tracer_path()});
    require_refusal(tracer, "ourselves");
    before.require_nothing_new();
}

RULE("a 32-bit program is refused as such") {
    if (!std::filesystem::exists(workload_path("bare_32"))) skip("the compiler cannot build 32-bit programs");
    Child probe = run({workload_path("bare_32")});
    if (probe.wait() != Ending{false, 0}) skip("the kernel cannot run 32-bit programs");
    Child program = start_workload("bare_32");
    require_refused({"-p", pid_text(program)}, "32-bit");
    REQUIRE(program.running());
}

RULE("a static program without an allocator we know is refused, saying so") {
    Child program = start_workload("bare_static");
    require_refused({"-p", pid_text(program)}, "allocator");
    REQUIRE(program.running());
}

RULE("without root the missing capabilities are named") {
    require_root();
    const TemporaryFolder folder;
    const std::string copy = folder.file("memtrace-bpf");  // the build may lie where others cannot go
    std::filesystem::copy_file(tracer_path(), copy);
    Child program = start_workload("forever");
    Child tracer = run(
        {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", copy, "-p", pid_text(program)});
    require_refusal(tracer, "CAP_BPF");
    REQUIRE(contains(tracer.errors(), "CAP_PERFMON"));
    REQUIRE(contains(tracer.errors(), "CAP_SYS_PTRACE"));
    require_progress(program);
}

RULE("a second tracer on the same process is refused, and the first goes on") {
    Child program = start_workload("forever");
    Tracer first = Tracer::attach(program);
    Child second = run(tracer_command({"-p", pid_text(program)}));
    require_refusal(second, pid_text(program));
    require_progress(program);
    REQUIRE(domain_total(first.stop(), "malloc").allocated_blocks > 0);
    Tracer third = Tracer::attach(program);
    third.stop();
}

RULE("more live blocks than the machine has memory for are refused") {
    Child program = start_workload("forever");
    require_refused({"-p", pid_text(program), "--live-blocks", "4294967296"}, "memory");
    require_progress(program);
}

RULE("a snapshot that cannot be written is named, the report is still printed, the target goes on") {
    Child program = start_workload("forever");
    const std::string path = "/no/such/folder/s.pb.gz";
    require_refused({"-p", pid_text(program), "--duration", "0.2", "-o", path}, path);
    require_progress(program);
}

RULE("a full file system costs the snapshot, not the report, and keeps no partial file") {
    const FullFolder full;
    Child program = start_workload("forever");
    const Leftovers before = Leftovers::now();
    Child tracer = run(tracer_command({"-p", pid_text(program), "--duration", "0.2", "-o", full.folder().file("s.pb.gz")}));
    require_refusal(tracer, "No space left");
    REQUIRE(contains(tracer.output(), "forever.c"));
    REQUIRE(full.folder().listing() == "filler\n");
    require_progress(program);
    before.require_nothing_new();
}

RULE("periodic snapshots that fail are reported, and tracing goes on") {
    const FullFolder full;
    Child program = start_workload("forever");
    Child tracer(tracer_command({"-p", pid_text(program), "--snapshot-every", "0.1"}), {{}, false, full.folder().path().string()});
    tracer.wait_error_line("memtrace-bpf: tracing pid");
    tracer.wait_error_line("memtrace-bpf: ");
    require_progress(program);
    tracer.signal(SIGINT);
    INFO(tracer.transcript());
    REQUIRE(!tracer.wait().signaled);
    REQUIRE(contains(tracer.errors(), "No space left"));
    REQUIRE(contains(tracer.output(), "forever.c"));
    REQUIRE(full.folder().listing() == "filler\n");
}

RULE("a device as output is refused or full, and stays a device") {
    require_root();
    const TemporaryFolder folder;
    const std::string device = folder.file("full");  // our own /dev/full: a defect must not cost the machine its device
    REQUIRE(mknod(device.c_str(), S_IFCHR | 0666, makedev(1, 7)) == 0);
    Child program = start_workload("forever");
    require_refused({"-p", pid_text(program), "--duration", "0.2", "-o", device}, device);
    struct stat status {};
    REQUIRE(stat(device.c_str(), &status) == 0);
    REQUIRE(S_ISCHR(status.st_mode));
    REQUIRE(folder.listing() == "full\n");
    require_progress(program);
}

RULE("tracing with stdout closed is an error, the snapshot is still written, the target is as before") {
    Child program = start_forever(static_python());
    const std::string tables = allocator_tables(program);
    const TemporaryFolder folder;
    const std::string file = folder.file("s.pb.gz");
    require_refused({"-p", pid_text(program), "--duration", "0.2", "-o", file}, "output", {{}, true, {}});
    REQUIRE(load_snapshot(file).processes.size() == 1);
    REQUIRE(allocator_tables(program) == tables);
    require_progress(program);
}

RULE("a reader of stdout that goes away ends the trace in order") {
    Child program = start_forever(static_python());
    const std::string tables = allocator_tables(program);
    const Leftovers before = Leftovers::now();
    Child tracer(tracer_command({"-p", pid_text(program), "-i", "0.1"}));
    tracer.wait_error_line("memtrace-bpf: tracing pid");
    tracer.close_output();
    require_refusal(tracer, "output");
    REQUIRE(allocator_tables(program) == tables);
    require_progress(program);
    before.require_nothing_new();
}
