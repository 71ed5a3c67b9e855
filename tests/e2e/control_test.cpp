// Commands to a running trace: what they answer is the program's own truth, and nothing is left behind.
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <regex>

#include "support/catch.hpp"
#include "support/commands.hpp"
#include "support/ledger.hpp"
#include "support/leftovers.hpp"
#include "support/python.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

namespace fs = std::filesystem;

void require_nothing_of(const Child& program) {
    REQUIRE_FALSE(fs::exists(fs::symlink_status(socket_of(program))));
    REQUIRE_FALSE(fs::exists(log_of(program)));
}

// Executes each line it reads, and answers "ok" and what the line has put into `answer`.
constexpr const char* interpreter_script = R"(
import sys
kept = []
def keep(size):
    kept.append(bytearray(size))
def keep_other(size):
    kept.append(bytearray(size))
print("ready", flush=True)
for line in sys.stdin:
    answer = None
    exec(line)
    print("ok", answer, flush=True)
)";

class Shell {
public:
    explicit Shell(const Interpreter& interpreter) : folder_(), child_(make(interpreter)) { child_.wait_line("ready"); }
    std::string say(const std::string& line) {
        child_.send_line(line);
        return child_.wait_line("ok").substr(3);
    }
    Child& child() { return child_; }

private:
    Child make(const Interpreter& interpreter) {
        write_text(folder_.file("shell.py"), interpreter_script);
        return Child({interpreter.path, folder_.file("shell.py")});
    }
    TemporaryFolder folder_;
    Child child_;
};

}  // namespace

RULE("a snapshot and a checkpoint of a running trace say what the program's ledger says; start and stop leave nothing behind") {
    const Leftovers before = Leftovers::now();
    Child program = start_workload("ledger_single");
    const std::uint64_t code = code_hash(program.pid());
    Background trace(program, {"--frames", "4"});
    command(program, {"checkpoint", "before"});
    program.send_line("go");
    program.wait_line("done");
    REQUIRE(contains(command(program, {"checkpoint", "after"}), "after: "));
    const Ledger ledger = parse_ledger(program.output());
    for (const Snapshot& snapshot : {snapshot_of(program), snapshot_of(program, {"--checkpoint", "after"}), snapshot_of(program, {"--no-stop"})}) {
        REQUIRE(differences(ledger.lines, lines_of_file(snapshot, ledger_file(ledger))) == "");
        REQUIRE(lost(snapshot) == "");
        REQUIRE(inconsistencies(snapshot) == "");
        REQUIRE(snapshot.has_blocks);
        REQUIRE(snapshot.marks.size() == 2);
        REQUIRE(snapshot.marks[1].name == "after");
        REQUIRE(snapshot.marks[1].traced_bytes == snapshot.processes[0].traced_bytes);
    }
    REQUIRE(snapshot_of(program, {"--checkpoint", "after"}).name == "after");
    REQUIRE(lines_of_file(snapshot_of(program, {"--checkpoint", "before"}), ledger_file(ledger)).empty());
    const nlohmann::json status = json_command(program, {"status"});
    REQUIRE(status["pid"] == program.pid());
    REQUIRE(status["current"] == snapshot_of(program).processes[0].traced_bytes);
    REQUIRE(status["peak"] == snapshot_of(program).processes[0].traced_peak_bytes);
    REQUIRE(status["checkpoints"] == 2);
    REQUIRE(status["lost"] == 0);
    REQUIRE(status["protocol"] == 1);
    REQUIRE(fs::exists(log_of(program)));
    trace.stop();
    require_nothing_of(program);
    require_code(program.pid(), code);
    before.require_nothing_new();
    program.send_line("end");
    REQUIRE(program.wait() == Ending{false, 0});
}

RULE("checkpoints are listed in order with tracemem's suffixes, and compared by their names") {
    Shell shell(static_python());
    Background trace(shell.child());
    for (const char* name : {"point", "point"}) command(shell.child(), {"checkpoint", name});
    shell.say("keep(1000000)");
    command(shell.child(), {"checkpoint", "point"});
    shell.say("keep_other(3000000)");
    command(shell.child(), {"checkpoint", "größer, with spaces"});
    const nlohmann::json list = json_command(shell.child(), {"checkpoints"})["checkpoints"];
    REQUIRE(list.size() == 4);
    const char* const names[] = {"point", "point-2", "point-3", "größer, with spaces"};
    for (std::size_t i = 0; i < 4; ++i) REQUIRE(list[i]["name"] == names[i]);
    REQUIRE(list[2]["memory"].get<std::int64_t>() - list[1]["memory"].get<std::int64_t>() > 1'000'000);
    REQUIRE(list[3]["memory"].get<std::int64_t>() - list[2]["memory"].get<std::int64_t>() > 3'000'000);
    const std::string table = command(shell.child(), {"checkpoints"});
    INFO(table);
    REQUIRE(std::regex_search(table, std::regex("\\+9[789]. KiB .*point-3\n")));
    REQUIRE(contains(table, "größer, with spaces\n"));

    const std::string first = command(shell.child(), {"diff", "point-2", "point-3", "-n", "1"});
    REQUIRE(std::regex_search(first, std::regex("shell\\.py:5: size=977 KiB \\(\\+977 KiB\\), count=")));
    const std::string second = command(shell.child(), {"diff", "point-3", "-n", "1"});  // until now
    REQUIRE(std::regex_search(second, std::regex("shell\\.py:7: size=2930 KiB \\(\\+2930 KiB\\), count=")));
    REQUIRE(contains(failing_command(shell.child(), {"diff", "nothing", "point"}), "no checkpoint \"nothing\""));
    trace.stop();
    require_nothing_of(shell.child());
}

RULE("where tells the line of an object by its id") {
    Shell shell(static_python());
    Background trace(shell.child(), {"--frames", "3"});
    shell.say("kept.append(type('Kind', (), {})()); keep(5000)");
    const std::string id = shell.say("answer = id(kept[-1])");
    const nlohmann::json block = json_command(shell.child(), {"where", id});
    REQUIRE(block["found"] == true);
    REQUIRE(block["address"].get<std::uint64_t>() <= std::stoull(id));
    REQUIRE(block["address"].get<std::uint64_t>() + block["size"].get<std::uint64_t>() > std::stoull(id));
    REQUIRE(block["domain"] == "obj");
    REQUIRE(block["frames"][0]["line"] == 5);
    REQUIRE(block["frames"][0]["function"] == "keep");
    REQUIRE(contains(command(shell.child(), {"where", id}), "shell.py:5  keep\n"));
    REQUIRE(contains(failing_command(shell.child(), {"where", "0x10"}), "no block"));
    trace.stop();
}

RULE("clear forgets all blocks and goes on; reset-peak lets the peak begin anew") {
    Shell shell(static_python());
    Background trace(shell.child());
    shell.say("keep(10000000)");
    shell.say("kept.clear()");
    nlohmann::json status = json_command(shell.child(), {"status"});
    REQUIRE(status["peak"] > 10'000'000);
    command(shell.child(), {"reset-peak"});
    status = json_command(shell.child(), {"status"});
    REQUIRE(status["peak"] < 1'000'000);
    shell.say("keep(2000000)");
    REQUIRE(json_command(shell.child(), {"status"})["current"] > 2'000'000);
    command(shell.child(), {"clear"});
    status = json_command(shell.child(), {"status"});
    REQUIRE(status["current"] < 100'000);
    REQUIRE(status["peak"] < 100'000);
    shell.say("keep(3000000)");
    status = json_command(shell.child(), {"status"});
    REQUIRE(status["current"] > 3'000'000);
    REQUIRE(status["current"] < 3'100'000);
    REQUIRE(status["lost"] == 0);
    trace.stop();
}

RULE("without a tracer each command says how to get one") {
    Child program = start_workload("forever");
    for (const Arguments& arguments : std::vector<Arguments>{{"status"},
                                                             {"checkpoints"},
                                                             {"checkpoint", "a"},
                                                             {"snapshot", "-o", "/tmp/x"},
                                                             {"clear"},
                                                             {"reset-peak"},
                                                             {"where", "1"},
                                                             {"stop"},
                                                             {"diff", "a"}})
        REQUIRE(contains(failing_command(program, arguments), "sudo memtrace-bpf start -p " + std::to_string(program.pid())));
}

RULE("start returns when allocations are counted, and says why they are not where that fails") {
    const Leftovers before = Leftovers::now();
    Child program = start_workload("bare_static");
    REQUIRE(contains(failing_command(program, {"start"}), "allocator"));
    require_nothing_of(program);
    Child ended = run({"/bin/true"});
    REQUIRE(contains(failing_command(ended, {"start"}), std::to_string(ended.pid())));
    require_nothing_of(ended);
    before.require_nothing_new();
}

RULE("a second tracer is refused by name, in the background or not, and the first goes on") {
    Child program = start_workload("forever");
    Background trace(program);
    REQUIRE(contains(failing_command(program, {"start"}), "already traces pid " + std::to_string(program.pid())));
    REQUIRE(contains(failing_command(program, {}), "already traces pid " + std::to_string(program.pid())));
    REQUIRE(json_command(program, {"status"})["events"] > 0);
    trace.stop();
    require_nothing_of(program);
}

RULE("what a killed tracer left is replaced") {
    Child program = start_workload("forever");
    {
        Tracer tracer = Tracer::attach(program);
        REQUIRE(json_command(program, {"status"})["pid"] == program.pid());
        tracer.process().signal(SIGKILL);
        tracer.process().wait();
    }
    REQUIRE(fs::exists(socket_of(program)));
    REQUIRE(contains(failing_command(program, {"status"}), "nobody traces"));
    Background trace(program);
    REQUIRE(json_command(program, {"status"})["pid"] == program.pid());
    trace.stop();
    require_nothing_of(program);
    require_progress(program);
}

RULE("the end of the program ends the trace in the background, which leaves nothing behind") {
    Child program = start_workload("forever");
    Background trace(program);
    program.signal(SIGKILL);
    program.wait();
    REQUIRE(eventually([&] { return !fs::exists(log_of(program)) && !fs::exists(socket_of(program)); }));
}

RULE("a failure at the end of a trace in the background is told by stop, and its log stays") {
    const TemporaryFolder folder;
    fs::create_directory(folder.file("out"));
    Child program = start_workload("forever");
    {
        Background trace(program, {"-o", folder.file("out/s.pb.gz")});
        fs::remove(folder.file("out"));
        REQUIRE(contains(failing_command(program, {"stop"}), log_of(program)));
    }
    REQUIRE(contains(read_text(log_of(program)), "s.pb.gz"));
    fs::remove(log_of(program));
    rmdir("/run/memtrace-bpf");
}

RULE("a socket may have a name of its own, by option or environment") {
    const TemporaryFolder folder;
    Child program = start_workload("forever");
    Tracer tracer = Tracer::attach(program, {"--socket", folder.file("own.sock")});
    REQUIRE_FALSE(fs::exists(socket_of(program)));
    Child by_option = run(tracer_command({"status", "--socket", folder.file("own.sock")}));
    REQUIRE(by_option.wait() == Ending{false, 0});
    Child by_environment = run(tracer_command({"status"}), {{{"MEMTRACE_BPF_SOCKET", folder.file("own.sock")}}});
    REQUIRE(by_environment.wait() == Ending{false, 0});
    REQUIRE(contains(by_environment.output(), "pid " + std::to_string(program.pid())));
    Child other = start_workload("forever");
    REQUIRE(contains(failing_command(other, {"start", "--socket", folder.file("own.sock")}), "already"));
    tracer.stop();
    REQUIRE(folder.listing() == "");
}

RULE("a command's trace has a socket, too, and its checkpoints stop all of its threads") {
    require_root();
    const TemporaryFolder folder;
    Child tracer(tracer_command({"-o", folder.file("s.pb.gz"), "--socket", folder.file("s.sock"), "--", workload_path("busy_threads")}));
    tracer.wait_line("ready");
    for (int i = 0; i < 5; ++i) {
        Child checkpoint = run(tracer_command({"checkpoint", "c", "--socket", folder.file("s.sock")}));
        INFO(checkpoint.transcript());
        REQUIRE(checkpoint.wait() == Ending{false, 0});
        Child snapshot = run(tracer_command({"snapshot", "--socket", folder.file("s.sock"), "-o", folder.file("c.pb.gz")}));
        REQUIRE(snapshot.wait() == Ending{false, 0});
        REQUIRE(inconsistencies(load_snapshot(folder.file("c.pb.gz"))) == "");
    }
    tracer.close_stdin();
    REQUIRE(tracer.wait() == Ending{false, 0});
    REQUIRE(load_snapshot(folder.file("s.pb.gz")).marks.size() == 5);
}

RULE("followed processes are reached by their own numbers, and their links go with them") {
    Shell shell(static_python());
    Background trace(shell.child(), {"--follow"});
    const std::string child = shell.say("import os, time; answer = os.fork(); answer or (keep(4000000), time.sleep(600))");
    const auto of_child = [&](Arguments arguments) {
        arguments.insert(arguments.end(), {"-p", child});
        Child asked = run(tracer_command(arguments));
        const Ending ending = asked.wait();
        INFO(asked.transcript());
        REQUIRE(ending == Ending{false, 0});
        return asked.output();
    };
    const std::string link = "/run/memtrace-bpf/" + child + ".sock";
    REQUIRE(eventually([&] { return fs::is_symlink(link); }));
    REQUIRE(contains(of_child({"checkpoint", "in the child"}), "in the child: "));
    nlohmann::json status;
    REQUIRE(eventually([&] {
        status = json_command(shell.child(), {"status"});
        return status["processes"].size() == 2 && status["processes"][1]["current"] > 4'000'000;
    }));
    REQUIRE(status["processes"][1]["pid"] == std::stoi(child));
    REQUIRE(status["processes"][0]["current"] < 1'000'000);
    kill(std::stoi(child), SIGKILL);
    REQUIRE(eventually([&] { return !fs::exists(fs::symlink_status(link)); }));
    REQUIRE(json_command(shell.child(), {"status"})["processes"][1]["ended"] == true);
    trace.stop();
    require_nothing_of(shell.child());
}
