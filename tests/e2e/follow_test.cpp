// --follow: children of forks, programs that are executed, workers that come and go; each with its own exact numbers.
#include <sys/ptrace.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

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

const Arguments follow{"--follow"};
const SpawnOptions at_once{{{"MEMTRACE_WORKLOAD_NOWAIT", "1"}}};

/// The books of each process.
using Books = std::map<int, Lines>;

Books parse_books(const std::string& output) {
    Books books;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string what, place;
        int pid = 0;
        LineTotals totals;
        if (!(words >> what >> pid >> place >> totals.live_blocks >> totals.live_bytes >> totals.allocated_blocks >> totals.allocated_bytes))
            continue;
        if (what == "PROCESS") books[pid][place.substr(place.rfind('/') + 1)] = totals;
    }
    return books;
}

Books seen_books(const Snapshot& snapshot, const std::string& file) {
    Books books;
    for (std::size_t i = 0; i < snapshot.processes.size(); ++i) {
        Snapshot of_process = snapshot;
        std::erase_if(of_process.sites, [&](const Site& site) { return site.process != i; });
        Lines lines = lines_of_file(of_process, file);
        if (!lines.empty()) books[snapshot.processes[i].pid] = std::move(lines);
    }
    return books;
}

/// What a process holds; the lines of programs that it was before hold nothing any more.
void only_live(Books& books) {
    for (auto& [pid, lines] : books) {
        for (auto& [name, totals] : lines) totals.allocated_blocks = totals.allocated_bytes = 0;
        std::erase_if(lines, [](const auto& line) { return line.second.live_blocks == 0; });
    }
    std::erase_if(books, [](const auto& process) { return process.second.empty(); });
}

/// The totals of each process agree with its sites.
std::string wrong_sums(const Snapshot& snapshot) {
    std::ostringstream text;
    std::vector<std::uint64_t> bytes(snapshot.processes.size());
    for (const Site& site : snapshot.sites) {
        bytes[site.process] += site.counters.live_bytes();
        if (site.counters.freed_blocks > site.counters.allocated_blocks) text << "a site freed more than it allocated\n";
    }
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const Process& process = snapshot.processes[i];
        if (process.traced_bytes != bytes[i])
            text << "pid " << process.pid << ": traced " << process.traced_bytes << " B, sites hold " << bytes[i] << " B\n";
        if (process.traced_peak_bytes < process.traced_bytes) text << "pid " << process.pid << ": the peak is below the current size\n";
        if (process.command.empty()) text << "pid " << process.pid << " has no command\n";
    }
    return text.str();
}

std::string all_differences(const Books& truth, const Books& seen) {
    std::string text;
    for (const auto& [pid, lines] : truth) {
        const auto found = seen.find(pid);
        const std::string of_process = differences(lines, found == seen.end() ? Lines{} : found->second);
        if (!of_process.empty()) text += "pid " + std::to_string(pid) + ":\n" + of_process;
    }
    for (const auto& [pid, lines] : seen)
        if (!truth.contains(pid)) text += "nothing is known of pid " + std::to_string(pid) + "\n";
    return text;
}

void require_equal(Books truth, const Snapshot& snapshot, const std::string& file, bool live_only) {
    Books seen = seen_books(snapshot, file);
    if (live_only) {
        only_live(truth);
        only_live(seen);
    }
    REQUIRE(!truth.empty());
    REQUIRE(all_differences(truth, seen) == "");
    REQUIRE(wrong_sums(snapshot) == "");
    REQUIRE(lost(snapshot) == "");
}

char state_of(int pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t at = text.rfind(") ");
    return at == std::string::npos ? '-' : text[at + 2];
}

bool runs(int pid) {
    const char state = state_of(pid);
    return state == 'R' || state == 'S' || state == 'D';
}

/// prefork.py with its workers; the end of its stdin ends all of them.
struct Server {
    Child process;
    std::vector<int> pids;

    explicit Server(const Interpreter& interpreter, unsigned workers) : process({interpreter.path, script_path("prefork.py")}) {
        process.wait_line("ready");
        pids.push_back(process.pid());
        for (unsigned i = 0; i < workers; ++i) fork();
    }
    void fork() {
        process.send_line("fork");
        const std::string prefix = "worker ";
        pids.push_back(std::stoi(process.wait_line(prefix).substr(prefix.size())));
    }
    std::set<std::string> ask(const std::string& what) {
        process.send_line(what);
        std::set<std::string> answers;
        for (const int pid : pids) {
            const std::string prefix = what + " " + std::to_string(pid) + " ";
            answers.insert(process.wait_line(what + " ").substr(prefix.size()));
        }
        return answers;
    }
    void require_running() {
        for (const int pid : pids) REQUIRE(eventually([&] { return runs(pid); }));
        (void)ask("progress");
        (void)ask("progress");
    }
};

}  // namespace

RULE("a forked child has its parent's blocks as its own: neither's frees and allocations touch the other's numbers") {
    for (const char* mode : {"fork", "fork_in_fork", "short"}) {
        INFO(mode);
        const CommandTrace trace = trace_command({workload_path("follow_forks"), mode}, follow, at_once);
        INFO(trace.process.transcript());
        REQUIRE(trace.ending == Ending{false, 0});
        require_equal(parse_books(trace.process.output()), trace.snapshot, "follow_forks.c", false);
        REQUIRE(loss(trace.snapshot, MT_UNTRACKED_FREES) == 0);
        for (const Process& process : trace.snapshot.processes) REQUIRE(process.ended);
    }
}

RULE("children of a running process are followed as well") {
    for (const char* mode : {"fork", "fork_in_fork", "vfork", "execute", "short"}) {
        INFO(mode);
        Child child({workload_path("follow_forks"), mode});
        child.wait_line("ready");
        Tracer tracer = Tracer::attach(child, follow);
        child.send_line("go");
        child.wait_line("done");
        const Snapshot snapshot = tracer.stop();
        child.send_line("end");
        REQUIRE(child.wait() == Ending{false, 0});
        INFO(child.transcript());
        require_equal(parse_books(child.output()), snapshot, "follow_forks.c", std::string(mode) == "execute");
    }
}

RULE("exec ends the blocks of the program before, and the next one is traced from its first instruction") {
    for (const char* mode : {"vfork", "execute", "chain0", "chain3"}) {
        INFO(mode);
        const CommandTrace trace = trace_command({workload_path("follow_forks"), mode}, follow, at_once);
        INFO(trace.process.transcript());
        REQUIRE(trace.ending == Ending{false, 0});
        require_equal(parse_books(trace.process.output()), trace.snapshot, "follow_forks.c", true);
        REQUIRE(loss(trace.snapshot, MT_UNTRACKED_FREES) == 0);
    }
}

RULE("threads that go on allocating while another one forks are told apart") {
    const CommandTrace trace = trace_command({workload_path("follow_forks"), "threads"}, follow, at_once);
    INFO(trace.process.transcript());
    REQUIRE(trace.ending == Ending{false, 0});
    Books truth = parse_books(trace.process.output()), seen = seen_books(trace.snapshot, "follow_forks.c");
    for (auto& [pid, lines] : seen)  // the other threads' blocks are in no book
        std::erase_if(lines, [&](const auto& line) { return !truth[pid].contains(line.first); });
    REQUIRE(all_differences(truth, seen) == "");
    REQUIRE(truth.size() == 11);
    REQUIRE(wrong_sums(trace.snapshot) == "");
    REQUIRE(lost(trace.snapshot) == "");
}

RULE("without --follow children are left alone") {
    const CommandTrace trace = trace_command({workload_path("follow_forks"), "fork"}, {}, at_once);
    REQUIRE(trace.ending == Ending{false, 0});
    REQUIRE(trace.snapshot.processes.size() == 1);
    REQUIRE(lost(trace.snapshot) == "");
}

RULE("a server's workers are followed from their fork to their end, killed ones and their successors too") {
    Child server({workload_path("follow_forks"), "prefork"});
    server.wait_line("ready");
    Tracer tracer = Tracer::attach(server, follow);
    server.send_line("go");
    for (int workers = 0; workers < 4; ++workers) server.wait_line("worker ");
    server.send_line("kill");
    server.wait_line("worker ");
    const Snapshot snapshot = tracer.stop();
    INFO(server.transcript());
    Books truth = parse_books(server.output());
    REQUIRE(truth.size() == 5);
    Books seen = seen_books(snapshot, "follow_forks.c");
    seen.erase(server.pid());  // its books come at its end
    REQUIRE(all_differences(truth, seen) == "");
    REQUIRE(wrong_sums(snapshot) == "");
    REQUIRE(lost(snapshot) == "");
    REQUIRE(snapshot.processes.size() == 6);
    std::size_t ended = 0;
    for (const Process& process : snapshot.processes) ended += process.ended;
    REQUIRE(ended == 1);
    server.send_line("end");
    server.wait_line("done");
    server.send_line("");
    REQUIRE(server.wait() == Ending{false, 0});
}

RULE("processes of multiprocessing and subprocess hold what they hold, however they are started") {
    const Interpreter interpreter = static_python();
    for (const char* method : {"fork", "spawn", "forkserver", "subprocess"}) {
        INFO(method);
        const CommandTrace trace = trace_command({interpreter.path, "-P", script_path("workers.py"), method}, follow, at_once);
        INFO(trace.process.transcript());
        REQUIRE(trace.ending == Ending{false, 0});
        const Books truth = parse_books(trace.process.output());
        REQUIRE(truth.size() == (std::string(method) == "subprocess" ? 4 : 3));
        Books seen = seen_books(trace.snapshot, "workers.py");
        for (const auto& [pid, lines] : truth) {
            INFO("pid " << pid);
            std::erase_if(seen[pid], [&, &of_process = lines](const auto& line) { return !of_process.contains(line.first); });
            CHECK(differences(lines, seen[pid]) == "");
        }
        REQUIRE(wrong_sums(trace.snapshot) == "");
        CHECK(lost(trace.snapshot) == "");
    }
}

RULE("after an orderly end the pointers of parent and children are as before, and all of them run") {
    Server server(static_python(), 2);  // two there are before
    const std::set<std::string> before = server.ask("tables");
    REQUIRE(before.size() == 1);
    const Leftovers leftovers = Leftovers::now();
    Tracer tracer = Tracer::attach(server.process, follow);
    server.fork();
    server.fork();
    REQUIRE(server.ask("tables") != before);
    const Snapshot snapshot = tracer.stop();
    REQUIRE(snapshot.processes.size() == 5);
    REQUIRE(lost(snapshot) == "");
    for (std::size_t i = 0; i < 5; ++i) {
        Snapshot of_process = snapshot;
        std::erase_if(of_process.sites, [&](const Site& site) { return site.process != i; });
        REQUIRE(domain_total(of_process, "obj").allocated_blocks > 0);
    }
    REQUIRE(server.ask("tables") == before);
    server.require_running();
    leftovers.require_nothing_new();
}

RULE("SIGKILL of the tracer leaves every process running") {
    Server server(static_python(), 1);
    const Leftovers leftovers = Leftovers::now();
    {
        Tracer tracer = Tracer::attach(server.process, follow);
        server.fork();
        server.fork();
        tracer.process().signal(SIGKILL);
        REQUIRE(tracer.process().wait() == Ending{true, SIGKILL});
    }
    server.require_running();
    leftovers.remove_new_dead_sockets();
    leftovers.require_nothing_new();
    server.fork();  // with nobody to follow it
    server.require_running();
}

RULE("a process that is stopped stays stopped, signals arrive, and who follows is told to nobody") {
    Server server(static_python(), 1);
    Tracer tracer = Tracer::attach(server.process, follow);
    REQUIRE(kill(server.pids[1], SIGSTOP) == 0);
    // A stop of a tracee that waits in it shows as 't'.
    REQUIRE(eventually([&] { return state_of(server.pids[1]) == 'T' || state_of(server.pids[1]) == 't'; }));
    REQUIRE(kill(server.pids[1], SIGCONT) == 0);
    REQUIRE(eventually([&] { return runs(server.pids[1]); }));
    server.require_running();
    REQUIRE(kill(server.pids[1], SIGSTOP) == 0);
    REQUIRE(eventually([&] { return state_of(server.pids[1]) == 'T' || state_of(server.pids[1]) == 't'; }));
    (void)tracer.stop();
    REQUIRE(eventually([&] { return state_of(server.pids[1]) == 'T'; }));
    REQUIRE(kill(server.pids[1], SIGCONT) == 0);
    server.require_running();
}

RULE("what another debugger holds is not followed, and the message says who and what to do") {
    Child child({workload_path("forever")});
    child.wait_line("ready");
    REQUIRE(ptrace(PTRACE_SEIZE, child.pid(), nullptr, nullptr) == 0);
    Child tracer = run(tracer_command({"-p", std::to_string(child.pid()), "--follow"}));
    const Ending ending = tracer.wait();
    INFO(tracer.transcript());
    REQUIRE(ending == Ending{false, 1});
    REQUIRE(tracer.errors().find("pid " + std::to_string(getpid()) + " (") != std::string::npos);
    REQUIRE(tracer.errors().find("trace without --follow") != std::string::npos);
    require_progress(child);
}
