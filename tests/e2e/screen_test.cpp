// The full-screen display of a real trace on a real terminal: keys, sizes, how it ends, what it leaves behind.
#include <csignal>

#include "support/catch.hpp"
#include "support/commands.hpp"
#include "support/leftovers.hpp"
#include "support/pty.hpp"
#include "support/tmux.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string trace(const Child& program, const std::string& options = "") {
    return tracer_path() + " -p " + std::to_string(program.pid()) + " " + options;
}

Child start_idle() { return start_workload("on_demand"); }

void allocate(Child& program, unsigned count) {
    program.send_line("more " + std::to_string(count));
    program.wait_line("done");
}

// Echo, lines and signals as a shell wants them.
void require_normal_terminal(Tmux& terminal) {
    terminal.run("clear; stty -a | tr ' ;' '\\n\\n' | grep -xE -e '-?(icanon|echo|isig|icrnl)' | tr '\\n' ' '; echo .");
    terminal.wait_for("icrnl isig icanon echo .");
}

}  // namespace

RULE("a trace on a terminal fills the screen, answers keys, and ends with the report on a normal one") {
    require_root();
    const Leftovers before = Leftovers::now();
    {
        Child program = start_idle();
        Tmux terminal(100, 30);
        terminal.run(trace(program, "-i 0.2 --frames 4"));
        terminal.wait_for("nothing is live");
        allocate(program, 1000);
        const std::string screen = terminal.wait_for("on_demand.c:18");
        CHECK(has(screen, "memtrace-bpf pid " + std::to_string(program.pid())));
        CHECK(has(screen, "lost 0"));
        CHECK(has(screen, "F1 Help"));
        CHECK(has(screen, " 977 KiB"));
        CHECK(has(screen, "1 000"));
        terminal.keys({"f"});
        terminal.wait_for("on_demand.c:0");
        terminal.keys({"l", "/"});
        terminal.type("nothing like it");
        terminal.wait_for("nothing of what is shown");
        terminal.keys({"Escape"});
        terminal.wait_for("on_demand.c:18");
        terminal.keys({"Enter"});
        terminal.wait_for("*(void *volatile *)malloc(1000) = line;");
        terminal.keys({"Escape"});
        terminal.wait_for("sorted by");
        terminal.keys({"q"});
        const std::string report = terminal.wait_for("Final report");
        CHECK(has(report, "on_demand.c:18"));
        terminal.wait_for("prompt>");
        require_normal_terminal(terminal);
    }
    before.require_nothing_new();
}

RULE("checkpoints, differences, snapshots, peaks and clearing by keys") {
    require_root();
    const TemporaryFolder folder;
    Child program = start_idle();
    Tmux terminal(120, 30);
    terminal.run("cd " + folder.path().string() + "; " + trace(program, "-i 0.2"));
    terminal.wait_for("nothing is live");
    allocate(program, 100);
    terminal.wait_for("on_demand.c:18");
    terminal.keys({"m"});
    terminal.type("before");
    terminal.keys({"Enter"});
    terminal.wait_for("checkpoint before: 97.7 KiB in 100 blocks");
    allocate(program, 50);
    terminal.keys({"d"});
    terminal.wait_for("CHECKPOINT");
    terminal.keys({"Enter"});
    terminal.wait_for("CHANGE since before");
    terminal.wait_for("+48.8 KiB");
    terminal.keys({"w", "C-u"});
    terminal.type("by-key.pb.gz");
    terminal.keys({"Enter"});
    terminal.wait_for("wrote by-key.pb.gz");
    terminal.keys({"w", "C-u"});
    terminal.type("by-key.pb.gz");
    terminal.keys({"Enter"});
    terminal.wait_for("by-key.pb.gz exists. Replace it? y/n");
    terminal.keys({"n"});
    terminal.keys({"R"});
    terminal.wait_for("the peak is what is held now");
    terminal.keys({"X"});
    terminal.wait_for("y/n");
    terminal.keys({"y"});
    terminal.wait_for("all blocks are forgotten");
    terminal.keys({"q"});
    terminal.wait_for("Final report");
    const Snapshot written = load_snapshot(folder.file("by-key.pb.gz"));
    CHECK(domain_total(written, "malloc").live_blocks() == 150);
    CHECK(lost(written).empty());
}

RULE("the screen follows the terminal's size, and is given back while it is suspended") {
    require_root();
    Child program = start_idle();
    Tmux terminal(80, 24);
    terminal.run(trace(program, "-i 0.2"));
    terminal.wait_for("F1 Help");
    allocate(program, 10);
    terminal.wait_for("on_demand.c:18");
    CHECK_FALSE(has(terminal.screen(), "TREND"));
    terminal.resize(160, 40);
    terminal.wait_for("TREND");
    terminal.resize(80, 24);
    terminal.wait_without("TREND");
    terminal.keys({"C-z"});
    terminal.wait_for("Stopped");
    require_normal_terminal(terminal);
    terminal.run("fg");
    terminal.wait_for("F1 Help");
    terminal.wait_for("on_demand.c:18");
    terminal.keys({"q"});
    terminal.wait_for("Final report");
    require_normal_terminal(terminal);
}

RULE("when the target ends its last state stays until q") {
    require_root();
    Child program = start_idle();
    Tmux terminal(100, 30);
    terminal.run(trace(program, "-i 0.2"));
    terminal.wait_for("nothing is live");
    allocate(program, 1000);
    terminal.wait_for("on_demand.c:18");
    program.send_line("quit");
    const std::string screen = terminal.wait_for("the process has ended: this is its last state");
    CHECK(has(screen, "on_demand.c:18"));
    terminal.keys({"q"});
    terminal.wait_for("Final report: the process has ended");
    terminal.wait_for("prompt>");
}

RULE("whatever ends the tracer, the terminal is as it was") {
    require_root();
    const Leftovers before = Leftovers::now();
    Child program = start_idle();
    for (const int signal : {SIGTERM, SIGSEGV, SIGABRT}) {
        Pty terminal({tracer_path(), "-p", std::to_string(program.pid()), "-i", "0.2"}, 90, 24);
        terminal.wait_for("WHERE");
        CHECK_FALSE(terminal.is_normal());
        REQUIRE(kill(terminal.pid(), signal) == 0);
        CHECK(terminal.wait() == (signal == SIGTERM ? 0 : 128 + signal));
        CHECK(terminal.is_normal());
        CHECK(has(terminal.bytes(), "\033[?1049l"));  // the normal screen again
    }
    // A fault leaves the socket's name behind, as SIGKILL does.
    before.remove_new_dead_sockets();
}

RULE("a terminal that is gone ends the trace, and the target runs on as it was") {
    require_root();
    const Leftovers before = Leftovers::now();
    {
        Child program = start_idle();
        const std::uint64_t code = code_hash(program.pid());
        Pty terminal({tracer_path(), "-p", std::to_string(program.pid()), "-i", "0.2"}, 80, 24);
        terminal.wait_for("WHERE");
        terminal.hang_up();
        terminal.wait();
        require_code(program.pid(), code);
        allocate(program, 10);
    }
    before.require_nothing_new();
}

RULE("dumb terminals, --plain and input from elsewhere leave the display the text it was") {
    require_root();
    Child program = start_idle();
    for (const std::string how : {"TERM=dumb ", "TERM= ", ""}) {
        Tmux terminal(120, 40);
        terminal.run(how + trace(program, how.empty() ? "--plain -i 0.2 --duration 1" : "-i 0.2 --duration 1"));
        const std::string text = terminal.wait_for("Final report");
        CHECK_FALSE(has(text, "F1 Help"));
    }
    Tmux terminal(120, 40);
    terminal.run(trace(program, "-i 0.2 --duration 1 < /dev/null"));
    CHECK_FALSE(has(terminal.wait_for("Final report"), "F1 Help"));
}

RULE("only what changed is written, and a terminal that does not read holds up no trace") {
    require_root();
    Child program = start_idle();
    Pty terminal({tracer_path(), "-p", std::to_string(program.pid()), "-i", "0.1"}, 120, 40);
    terminal.wait_for("WHERE");
    allocate(program, 1000);
    terminal.wait_for("on_demand.c:18");
    terminal.read_for(0.5);
    const std::size_t before = terminal.bytes().size();
    terminal.read_for(1);
    // Ten pictures of 4800 characters each, of which a few digits change.
    CHECK(terminal.bytes().size() - before < 10 * 1000);
    CHECK(terminal.bytes().size() - before > 10);
    // Nobody reads: a request is answered all the same.
    terminal.type(std::string(200, '\x0c'));
    CHECK(json_command(program, {"status"})["ok"] == true);
    terminal.read_for(0.2);
    terminal.type("q");
    CHECK(terminal.wait() == 0);
}
