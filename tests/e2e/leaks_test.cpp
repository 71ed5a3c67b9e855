// `leaks` against programs of known stacks, sizes and ages, and what bcc's memleak gets wrong.
#include <csignal>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/ledger.hpp"
#include "support/process.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;
using namespace std::chrono_literals;

namespace {

// What scripts written for memleak take out of its output.
struct Stack {
    std::uint64_t bytes = 0, count = 0;
    std::vector<std::string> frames;
    std::string more;  ///< Behind what memleak prints.
};
struct Report {
    std::uint64_t stacks = 0;
    std::vector<Stack> all;
    /// Of the stack whose newest frame is in this function.
    [[nodiscard]] Stack of(const std::string& function) const {
        for (const Stack& stack : all)
            if (!stack.frames.empty() && stack.frames.front().starts_with(function + " ")) return stack;
        return {};
    }
};

std::vector<Report> reports_in(const std::string& output) {
    static const std::regex header(R"(^\[\d\d:\d\d:\d\d\] Top (\d+) stacks with outstanding allocations:)");
    static const std::regex stack(R"(^\s+(\d+) bytes in (\d+) allocations from stack(.*))");
    std::vector<Report> reports;
    std::istringstream lines(output);
    std::smatch match;
    for (std::string line; std::getline(lines, line);) {
        if (std::regex_search(line, match, header)) {
            reports.push_back({std::stoull(match[1]), {}});
        } else if (!reports.empty() && std::regex_search(line, match, stack)) {
            reports.back().all.push_back({std::stoull(match[1]), std::stoull(match[2]), {}, match[3]});
        } else if (!reports.empty() && line.starts_with("\t\t") && !reports.back().all.empty()) {
            reports.back().all.back().frames.push_back(line.substr(2));
        }
    }
    for (const Report& report : reports) {
        INFO(output);
        REQUIRE(report.stacks == report.all.size());
    }
    return reports;
}

Child leaks_of(const Child& program, const Arguments& options) {
    require_root();
    Arguments words{"leaks", "-p", std::to_string(program.pid())};
    words.insert(words.end(), options.begin(), options.end());
    Child tracer(tracer_command(words));
    tracer.wait_error_line("memtrace-bpf: tracing pid " + std::to_string(program.pid()));
    return tracer;
}

std::string end(Child& tracer) {
    tracer.signal(SIGINT);
    const Ending ending = tracer.wait();
    INFO(tracer.transcript());
    REQUIRE(ending == Ending{false, 0});
    return tracer.output();
}

// Attaches to the workload, lets it run to its end, and ends the trace while all blocks are as the ledger says.
std::string leaks_after(const std::string& phases, const Arguments& options, const std::string& also = "") {
    Child program({workload_path("leaks"), phases});
    program.wait_line("ready");
    Child tracer = leaks_of(program, options);
    program.send_line("go");
    program.wait_line("done");
    if (!also.empty()) program.wait_line(also);
    return end(tracer);
}

}  // namespace

RULE("leaks shows each stack with its bytes and blocks, largest first, in the lines that memleak's users parse") {
    const std::string output = leaks_after("slz", {"-o", "0"});
    const std::vector<Report> reports = reports_in(output);
    INFO(output);
    REQUIRE(reports.size() == 1);
    const Report& report = reports.front();
    REQUIRE(report.all.size() >= 3);
    CHECK(report.all[0].bytes == 35000);
    CHECK(report.all[0].count == 3);
    REQUIRE(report.all[0].frames.size() >= 3);
    CHECK(report.all[0].frames[0].starts_with("leak_large ["));
    CHECK(report.all[0].frames[0].find("leaks.c:") != std::string::npos);
    CHECK(report.all[0].frames[2].starts_with("main ["));
    CHECK(report.of("leak_small").bytes == 2400);
    CHECK(report.of("leak_small").count == 100);
    CHECK(contains(report.of("leak_small").more, "oldest "));
    CHECK(contains(output, "lost 0: "));
}

RULE("a malloc inside calloc is no second block, and a realloc that fails loses none") {
    const std::vector<Report> reports = reports_in(leaks_after("szr", {"-o", "0"}));
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].of("leak_zeroed").bytes == 320);
    CHECK(reports[0].of("leak_zeroed").count == 10);
    CHECK(reports[0].of("leak_small").bytes == 2400);
    CHECK(reports[0].of("leak_small").count == 100);
    CHECK(reports[0].of("grow_in_vain").count == 0);
}

RULE("the bounds -z and -Z of single blocks are inclusive; -T is one of stacks") {
    const std::vector<Report> reports = reports_in(leaks_after("slz", {"-o", "0", "-z", "32", "-Z", "10000"}));
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].of("leak_large").bytes == 15000);
    CHECK(reports[0].of("leak_zeroed").bytes == 320);
    CHECK(reports[0].of("leak_small").count == 0);
    const std::string one = leaks_after("slz", {"-o", "0", "-T", "1"});
    CHECK(reports_in(one).at(0).all.size() == 1);
    CHECK(contains(one, " of them not shown"));
}

RULE("with -o reports leave out blocks that are younger, and reports tell what came since the one before") {
    Child program({workload_path("leaks"), "s.l"});
    program.wait_line("ready");
    Child tracer = leaks_of(program, {"-o", "500", "1", "2"});
    program.send_line("go");
    program.wait_line("phase");
    // The first report comes at 1 s, the second at 2 s: then the large ones are too young.
    tracer.wait_line("[");
    std::this_thread::sleep_for(750ms);
    program.send_line("go");
    program.wait_line("done");
    REQUIRE(tracer.wait() == Ending{false, 0});
    const std::vector<Report> reports = reports_in(tracer.output());
    INFO(tracer.output());
    REQUIRE(reports.size() == 2);
    CHECK(reports[0].of("leak_small").count == 100);
    CHECK(reports[1].of("leak_small").count == 100);
    CHECK(contains(reports[1].of("leak_small").more, "+0 bytes in +0 allocations"));
    CHECK(reports[1].of("leak_large").count == 0);
}

RULE("processes with the same addresses do not take each other's blocks") {
    Child program({workload_path("leaks"), "sf"});
    program.wait_line("ready");
    Child tracer = leaks_of(program, {"-o", "0", "-a", "--follow"});
    program.send_line("go");
    program.wait_line("forked");
    const std::string output = end(tracer);
    const std::vector<Report> reports = reports_in(output);
    INFO(output);
    REQUIRE(reports.size() == 1);
    // The child has freed half of what it got.
    CHECK(reports[0].of("leak_small").count == 150);
    CHECK(reports[0].of("leak_small").bytes == 3600);
    const std::regex block(R"(\taddr = ([0-9a-f]+) size = 24 age = .* pid = (\d+) leak_small \[)");
    std::map<std::string, std::set<std::string>> holders;
    for (std::sregex_iterator at(output.begin(), output.end(), block), none; at != none; ++at) holders[(*at)[1]].insert((*at)[2]);
    CHECK(holders.size() == 100);
    CHECK(std::count_if(holders.begin(), holders.end(), [](const auto& holder) { return holder.second.size() == 2; }) == 50);
}

RULE("what a program has not freed when it ends is reported, however young it is") {
    require_root();
    Child trace = run(tracer_command({"leaks", "--", workload_path("leaks"), "slt"}), {{{"MEMTRACE_WORKLOAD_NOWAIT", "1"}}});
    INFO(trace.transcript());
    REQUIRE(trace.wait() == Ending{false, 0});
    const std::vector<Report> reports = reports_in(trace.errors());
    REQUIRE(!reports.empty());
    CHECK(reports.back().of("leak_small").count == 100);
    CHECK(reports.back().of("leak_large").bytes == 35000);
    CHECK(reports.back().of("churn").count == 0);
    CHECK(contains(trace.errors(), "Final report: the program has ended"));
}

RULE("a full table is told with its cause") {
    const std::string output = leaks_after("s", {"-o", "0", "--live-blocks", "24"});
    INFO(output);
    const Stack seen = reports_in(output).at(0).of("leak_small");
    std::smatch full;
    REQUIRE(std::regex_search(output, full, std::regex("live table full (\\d+)")));
    CHECK(std::stoull(full[1]) > 0);
    CHECK(seen.count + std::stoull(full[1]) >= 100);
    CHECK(seen.bytes == seen.count * 24);
}

RULE("sums go beyond 40 bits") {
    const Stack much = reports_in(leaks_after("m", {"-o", "0"})).at(0).of("map_much");
    CHECK(much.bytes == std::uint64_t{20} << 36);
    CHECK(much.count == 20);
}

RULE("with -t each block is printed when it is allocated and when it is freed, with its line") {
    const std::string output = leaks_after("slt", {"-o", "0", "-t", "-z", "64", "-Z", "96"});
    INFO(output);
    const std::regex event(R"((\d\d:\d\d:\d\d\.\d{6}) (\S+) (\d+)/(\d+) (alloc|free ) (\d+) bytes at (0x[0-9a-f]+) churn \[\S*leaks\.c:\d+\]\n)");
    std::map<std::string, int> alive;
    std::map<std::string, int> seen;
    for (std::sregex_iterator at(output.begin(), output.end(), event), none; at != none; ++at) {
        ++seen[(*at)[5].str() + " " + (*at)[6].str()];
        CHECK((*at)[2] == "leaks");
        CHECK((*at)[3] == (*at)[4]);
        alive[(*at)[7]] += (*at)[5] == "alloc" ? 1 : -1;
        CHECK((alive[(*at)[7]] == 0 || alive[(*at)[7]] == 1));
    }
    CHECK(seen == std::map<std::string, int>{
                      {"alloc 64", 300}, {"free  64", 300}, {"alloc 80", 300}, {"free  80", 300}, {"alloc 96", 300}, {"free  96", 300}});
    CHECK(!contains(output, "events dropped:"));
}

RULE("who does not read what -t prints holds up no program: told plus dropped events are all there were") {
    Child program({workload_path("ledger_million")});
    program.wait_line("ready");
    // Its output is a pipe, which the test does not look at until the program is through.
    Child tracer = leaks_of(program, {"-t"});
    program.send_line("go");
    program.wait_line("done");
    const std::string output = end(tracer);
    std::uint64_t truth = 0, told = 0, dropped = 0;
    for (const auto& [name, line] : parse_ledger(program.output()).lines) truth += 2 * line.allocated_blocks - line.live_blocks;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) {
        if (contains(line, " bytes at 0x")) ++told;
        if (line.ends_with(" events dropped: they came faster than they were read")) dropped += std::stoull(line);
    }
    CHECK(truth == 1'200'000);
    CHECK(dropped > 0);
    CHECK(told + dropped == truth);
}

RULE("temporary blocks are those that their thread frees before it allocates again") {
    for (const bool threads : {false, true}) {
        Child program({workload_path("leaks"), "t"});
        program.wait_line("ready");
        Tracer tracer = Tracer::attach(program, threads ? Arguments{"--threads"} : Arguments{});
        program.send_line("go");
        program.wait_line("done");
        const Snapshot snapshot = tracer.stop();
        CHECK(snapshot.has_temporaries);
        std::map<std::string, std::uint64_t> truth, seen;
        std::istringstream lines(program.output());
        for (std::string word; lines >> word;) {
            if (word != "TEMPORARY") continue;
            std::string line;
            std::uint64_t count = 0;
            lines >> line >> count;
            truth[line] = count;
        }
        for (const Site& site : snapshot.sites)
            if (site.counters.temporary_blocks > 0 && line_name(snapshot, site.frames.front()).starts_with("leaks.c:"))
                seen[line_name(snapshot, site.frames.front())] += site.counters.temporary_blocks;
        CHECK(truth.size() == 3);
        CHECK(seen == truth);
        CHECK(lost(snapshot) == "");
    }
}
