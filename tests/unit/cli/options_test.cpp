// The command line: what it means, and which mistakes end in exit status 2 with words on stderr.
#include "cli/options.hpp"

#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "support/catch.hpp"

using namespace memtrace::cli;
using memtrace::DomainFilter;
using memtrace::Lines;
using memtrace::View;

namespace {

struct Parsed {
    std::variant<Options, int> result;
    std::string out, err;
};

// One of our output descriptors leads to a file for a while.
class Captured {
public:
    explicit Captured(int fd) : fd_(fd), saved_(::dup(fd)), file_(std::tmpfile()) {
        flush();
        REQUIRE(file_ != nullptr);
        ::dup2(::fileno(file_), fd_);
    }
    ~Captured() {
        restore();
        std::fclose(file_);
    }
    Captured(const Captured&) = delete;
    Captured& operator=(const Captured&) = delete;
    std::string text() {
        restore();
        std::string text;
        char buffer[4096];
        std::rewind(file_);
        for (std::size_t count = 0; (count = std::fread(buffer, 1, sizeof buffer, file_)) > 0;) text.append(buffer, count);
        return text;
    }

private:
    static void flush() {
        std::cout.flush();
        std::cerr.flush();
        std::fflush(nullptr);
    }
    void restore() {
        flush();
        if (saved_ < 0) return;
        ::dup2(saved_, fd_);
        ::close(saved_);
        saved_ = -1;
    }
    int fd_;
    int saved_;
    std::FILE* file_;
};

Parsed parse(std::vector<std::string> words) {
    words.insert(words.begin(), "memtrace-bpf");
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    Captured out(1), err(2);
    Parsed parsed{parse_options(static_cast<int>(words.size()), argv.data()), "", ""};
    parsed.out = out.text();
    parsed.err = err.text();
    return parsed;
}

template <typename Wanted>
Wanted parsed_as(const std::vector<std::string>& words) {
    const Parsed parsed = parse(words);
    INFO(parsed.err);
    REQUIRE(std::holds_alternative<Options>(parsed.result));
    CHECK(parsed.out == "");
    CHECK(parsed.err == "");
    const Options& options = std::get<Options>(parsed.result);
    REQUIRE(std::holds_alternative<Wanted>(options));
    return std::get<Wanted>(options);
}

// A usage error; returns what was said about it.
std::string refused(const std::vector<std::string>& words) {
    std::string line;
    for (const std::string& word : words) line += word + " ";
    INFO(line);
    const Parsed parsed = parse(words);
    REQUIRE(std::holds_alternative<int>(parsed.result));
    CHECK(std::get<int>(parsed.result) == 2);
    CHECK(parsed.out == "");
    CHECK(parsed.err != "");
    return parsed.err;
}

using Words = std::vector<std::string>;

}  // namespace

RULE("a pid alone traces it with the documented defaults") {
    const auto trace = parsed_as<TraceOptions>({"-p", "4242"});
    CHECK(trace.pid == 4242);
    CHECK(trace.command.empty());
    CHECK(trace.interval_s == 5);
    CHECK(trace.rows == 20);
    CHECK(trace.frames == 1);
    CHECK(trace.view == View());
    CHECK(trace.redirect);
    CHECK_FALSE(trace.follow);
    CHECK(trace.output.empty());
    CHECK_FALSE(trace.duration_s);
    CHECK_FALSE(trace.snapshot_every_s);
    CHECK_FALSE(trace.live_blocks);
    CHECK_FALSE(trace.sites);
    CHECK(trace.snapshot_template.find("$pid") != std::string::npos);
    CHECK(trace.snapshot_template.find("$counter") != std::string::npos);
}

RULE("every option of a trace arrives where it belongs") {
    const auto trace = parsed_as<TraceOptions>({"--pid",
                                                "7",
                                                "-i",
                                                "0.5",
                                                "-n",
                                                "3",
                                                "--duration",
                                                "60",
                                                "-o",
                                                "a.pb.gz",
                                                "--snapshot-every",
                                                "2.5",
                                                "--snapshot-template",
                                                "x-$counter",
                                                "--domain",
                                                "-mmap",
                                                "--lines",
                                                "native",
                                                "--frames",
                                                "16",
                                                "--live-blocks",
                                                "4294967296",
                                                "--sites",
                                                "64",
                                                "--follow",
                                                "--threads",
                                                "--mark",
                                                "load",
                                                "--mark",
                                                "libshop:open",
                                                "--allocator-prefix",
                                                "shop_",
                                                "--allocator-prefix",
                                                "my",
                                                "--no-redirect"});
    CHECK(trace.pid == 7);
    CHECK(trace.follow);
    CHECK(trace.threads);
    CHECK(trace.marks == Words{"load", "libshop:open"});
    CHECK(trace.allocator_prefixes == Words{"shop_", "my"});
    CHECK(trace.interval_s == 0.5);
    CHECK(trace.rows == 3);
    CHECK(trace.duration_s == 60.0);
    CHECK(trace.output == "a.pb.gz");
    CHECK(trace.snapshot_every_s == 2.5);
    CHECK(trace.snapshot_template == "x-$counter");
    CHECK(trace.view == View{.filters = {.domains = {{false, "mmap"}}, .files = {}}, .lines = Lines::native});
    CHECK(trace.frames == 16);
    CHECK(trace.live_blocks == std::uint64_t{1} << 32);
    CHECK(trace.sites == 64U);
    CHECK_FALSE(trace.redirect);
}

RULE("what stands behind -- is the program's command line, whatever it looks like") {
    const auto trace = parsed_as<TraceOptions>({"--frames", "4", "--", "server", "-p", "80", "--help", "--", "stats", ""});
    CHECK(trace.pid == 0);
    CHECK(trace.frames == 4);
    CHECK(trace.command == Words{"server", "-p", "80", "--help", "--", "stats", ""});
    CHECK(parsed_as<TraceOptions>({"--", "ls"}).command == Words{"ls"});
}

RULE("a process and a command at once, neither, or an empty command are refused") {
    CHECK(refused({"-p", "1", "--", "ls"}).find("not both") != std::string::npos);
    CHECK(refused({"--"}).find("command") != std::string::npos);
    CHECK(refused({"--frames", "2", "--"}).find("command") != std::string::npos);
    CHECK(refused({}).find("-p PID") != std::string::npos);
    CHECK(refused({"--duration", "5"}).find("-p PID") != std::string::npos);
}

RULE("a command without its -- is refused, not taken for something else") {
    (void)refused({"python3", "server.py"});
    (void)refused({"-p", "1", "ls"});
}

RULE("values out of range or of the wrong kind are refused and the option is named") {
    const std::vector<std::pair<std::string, Words>> wrong = {
        {"-p", {"0", "-5", "abc", "4242x", "99999999999", ""}},
        {"-i", {"0", "-1", "x", "1e9"}},
        {"-n", {"0", "-1", "1.5", "100001"}},
        {"--duration", {"-1", "x"}},
        {"--snapshot-every", {"0", "-2", "soon"}},
        {"--frames", {"0", "129", "-1", "many"}},
        {"--live-blocks", {"0", "-1", "4294967297", "1099511627776", "1e6"}},
        {"--sites", {"0", "-1", "67108865", "x"}},
        {"--allocator-prefix", {"", "9a", "a b", "a;"}},
    };
    for (const auto& [option, values] : wrong) {
        for (const std::string& value : values) {
            Words words = option == "-p" ? Words{} : Words{"-p", "1"};
            words.insert(words.end(), {option, value});
            const std::string message = refused(words);
            INFO(option << " " << value << ": " << message);
            CHECK(message.find(option == "-p" ? "--pid" : option == "-i" ? "--interval" : option == "-n" ? "--rows" : option) != std::string::npos);
        }
    }
}

RULE("unknown options, options without their value and repeated values are refused") {
    for (const Words& words : {Words{"-p", "1", "--colour"}, {"-p"}, {"-p", "1", "-o"}, {"--frame", "2", "-p", "1"}, {"-p", "1", "-p", "2"}})
        (void)refused(words);
}

RULE("stats and diff take files and a number of rows") {
    const auto stats = parsed_as<StatsOptions>({"stats", "a.pb.gz", "-n", "7"});
    CHECK(stats.file == "a.pb.gz");
    CHECK(stats.rows == 7U);
    CHECK_FALSE(parsed_as<StatsOptions>({"stats", "a.pb.gz"}).rows);
    const auto diff = parsed_as<DiffOptions>({"diff", "--rows", "2", "old", "new"});
    CHECK(diff.before == "old");
    CHECK(diff.after == "new");
    CHECK(diff.rows == 2U);
}

RULE("a domain is shown alone by its name or with a plus before it, and left out with a minus; the option may be repeated") {
    const std::vector<DomainFilter> filters{{true, "raw"}, {true, "obj"}, {false, "mmap"}, {false, "malloc"}, {true, "mem"}};
    const Words words{"--domain", "raw", "--domain", "+obj", "--domain", "-mmap", "--domain=-malloc", "--domain=+mem"};
    const auto behind = [&](Words first) {
        first.insert(first.end(), words.begin(), words.end());
        return first;
    };
    CHECK(parsed_as<TraceOptions>(behind({"-p", "1"})).view.filters.domains == filters);
    CHECK(parsed_as<StatsOptions>(behind({"stats", "a"})).view.filters.domains == filters);
    CHECK(parsed_as<DiffOptions>(behind({"diff", "a", "b"})).view.filters.domains == filters);
}

RULE("a domain takes one word: what follows is a file or a command") {
    const auto stats = parsed_as<StatsOptions>({"stats", "--domain", "-obj", "a.pb.gz"});
    CHECK(stats.file == "a.pb.gz");
    CHECK(stats.view.filters.domains == std::vector<DomainFilter>{{false, "obj"}});
    const auto diff = parsed_as<DiffOptions>({"diff", "--domain", "raw", "old", "new"});
    CHECK(diff.before == "old");
    CHECK(diff.after == "new");
    CHECK(parsed_as<TraceOptions>({"--domain", "raw", "--", "mem", "obj"}).command == Words{"mem", "obj"});
}

RULE("an unknown domain is refused with the names of those there are") {
    for (const char* word : {"heap", "-heap", "+", "-", "", "RAW", "++raw", "--raw", "raw,obj", "raw "}) {
        for (const Words& words : {Words{"-p", "1"}, {"stats", "a"}, {"diff", "a", "b"}}) {
            Words line = words;
            line.insert(line.end(), {"--domain", word});
            const std::string message = refused(line);
            INFO(message);
            CHECK(message.find("--domain") != std::string::npos);
            CHECK(message.find("malloc, mmap, raw, mem, obj") != std::string::npos);
        }
    }
    CHECK(refused({"-p", "1", "--domain"}).find("--domain") != std::string::npos);
}

RULE("native blocks below Python code are shown by their Python line unless asked for otherwise") {
    CHECK(parsed_as<StatsOptions>({"stats", "a"}).view.lines == Lines::python);
    CHECK(parsed_as<StatsOptions>({"stats", "a", "--lines", "python"}).view.lines == Lines::python);
    CHECK(parsed_as<StatsOptions>({"stats", "--lines", "native", "a"}).view.lines == Lines::native);
    CHECK(parsed_as<DiffOptions>({"diff", "--lines=native", "a", "b"}).view.lines == Lines::native);
    for (const char* word : {"", "c", "Native", "nativ", "0", "1"}) {
        const std::string message = refused({"stats", "a", "--lines", word});
        INFO(message);
        CHECK(message.find("--lines") != std::string::npos);
        CHECK(message.find("python") != std::string::npos);
        CHECK(message.find("native") != std::string::npos);
    }
    (void)refused({"stats", "a", "--lines", "native", "--lines", "python"});
}

RULE("stats and diff with too few or too many files are refused") {
    for (const Words& words : {Words{"stats"}, {"stats", "a", "b"}, {"diff"}, {"diff", "a"}, {"diff", "a", "b", "c"}, {"stats", "a", "-n", "x"}})
        (void)refused(words);
}

RULE("probes needs a process and takes how long to count") {
    const auto probes = parsed_as<ProbesOptions>({"probes", "-p", "5", "--seconds", "0", "--no-redirect"});
    CHECK(probes.pid == 5);
    CHECK(probes.seconds == 0);
    CHECK_FALSE(probes.redirect);
    CHECK(parsed_as<ProbesOptions>({"probes", "-p", "5"}).seconds == 1);
    CHECK(parsed_as<ProbesOptions>({"probes", "-p", "5"}).redirect);
    for (const Words& words : {Words{"probes"}, {"probes", "-p", "0"}, {"probes", "-p", "x"}, {"probes", "-p", "5", "--seconds", "-1"}})
        (void)refused(words);
}

RULE("doctor takes nothing") {
    (void)parsed_as<DoctorOptions>({"doctor"});
    (void)refused({"doctor", "please"});
}

RULE("help and version go to stdout and end well") {
    for (const Words& words : {Words{"--help"}, {"-h"}, {"--version"}, {"stats", "--help"}, {"probes", "-h"}}) {
        const Parsed parsed = parse(words);
        REQUIRE(std::holds_alternative<int>(parsed.result));
        CHECK(std::get<int>(parsed.result) == 0);
        CHECK(parsed.out != "");
        CHECK(parsed.err == "");
    }
    CHECK(parse({"--version"}).out.find(MEMTRACE_VERSION) != std::string::npos);
    const std::string help = parse({"--help"}).out;
    for (const char* word : {"--pid", "--interval", "--rows", "--duration", "--output", "--snapshot-every", "--snapshot-template", "--domain",
                             "--lines", "--frames", "--live-blocks", "--sites", "--no-redirect", "stats", "diff", "probes", "doctor", "-- COMMAND"})
        CHECK(help.find(word) != std::string::npos);
}

RULE("a subcommand with a command line, a pid or any option meant for tracing is refused, not half ignored") {
    CHECK(refused({"-p", "5", "stats", "a.pb.gz"}).find("subcommand") != std::string::npos);
    CHECK(refused({"stats", "a.pb.gz", "--", "true"}).find("subcommand") != std::string::npos);
    CHECK(refused({"--domain", "raw", "stats", "a.pb.gz"}).find("subcommand") != std::string::npos);
    CHECK(refused({"-n", "5", "diff", "a", "b"}).find("subcommand") != std::string::npos);
    CHECK(refused({"--no-redirect", "doctor"}).find("subcommand") != std::string::npos);
}

RULE("rows are grouped, counted, bounded, sorted and shown as asked, in a trace, stats and diff") {
    const Words words{"--by", "filename", "--cumulative", "--max-size", "1M",    "--min-size",       "4KiB", "--older", "5m", "--sort",
                      "age",  "--show",   "size,age",     "--color",    "never", "--filename-parts", "0"};
    const auto behind = [&](Words first) {
        first.insert(first.end(), words.begin(), words.end());
        return first;
    };
    const ViewOptions views[] = {parsed_as<TraceOptions>(behind({"-p", "1"})).view, parsed_as<StatsOptions>(behind({"stats", "a"})).view,
                                 parsed_as<DiffOptions>(behind({"diff", "a", "b"})).view};
    for (const ViewOptions& view : views) {
        CHECK(view.by == memtrace::GroupBy::file);
        CHECK(view.cumulative);
        CHECK(view.blocks.min_size_bytes == 4096);
        CHECK(view.blocks.max_size_bytes == 1048576);
        CHECK(view.blocks.older == std::chrono::minutes(5));
        CHECK(view.order == memtrace::Order::age);
        CHECK(view.columns == std::vector{memtrace::Column::size, memtrace::Column::age});
        CHECK(view.filename_parts == 0U);
        CHECK(view.colour == Colour::never);
        CHECK(view.needs_blocks());
    }
    CHECK(parsed_as<StatsOptions>({"stats", "a", "--freed"}).view.counted == memtrace::Counted::freed);
    CHECK(parsed_as<StatsOptions>({"stats", "a", "--allocated"}).view.counted == memtrace::Counted::allocated);
    CHECK_FALSE(parsed_as<StatsOptions>({"stats", "a", "--live"}).view.needs_blocks());
}

RULE("a filter has a sign, a pattern and a line, of which only the pattern must be there") {
    const auto files = [](const Words& words) {
        Words line{"stats", "a"};
        for (const std::string& word : words) line.insert(line.end(), {"--filter", word});
        return parsed_as<StatsOptions>(line).view.filters.files;
    };
    CHECK(files({"*.py", "+a:7", "-<frozen *>"}) == std::vector<memtrace::FileFilter>{{true, "*.py"}, {true, "a", 7}, {false, "<frozen *>"}});
    CHECK(files({"C:x", "a:7:8", "--x"}) == std::vector<memtrace::FileFilter>{{true, "C:x"}, {true, "a:7", 8}, {false, "-x"}});
    const auto stats = parsed_as<StatsOptions>({"stats", "--filter-all-frames", "--filter", "a", "file", "--filter=b"});
    CHECK(stats.file == "file");
    CHECK(stats.view.filters.files == std::vector<memtrace::FileFilter>{{true, "a", {}, true}, {true, "b", {}, true}});
    CHECK(parsed_as<TraceOptions>({"-p", "1", "--filter", "a", "--filter-all-frames"}).view.filters.files.front().all_frames);
    for (const char* word : {"", "+", "-", "+:7"}) CHECK(refused({"stats", "a", "--filter", word}).find("pattern") != std::string::npos);
}

RULE("words and values that mean nothing are refused, and what does not go together") {
    const std::vector<Words> wrong{{"--by", "colour"},
                                   {"--by", "lines"},
                                   {"--sort", "name"},
                                   {"--show", "size,shape"},
                                   {"--show", ""},
                                   {"--older", "soon"},
                                   {"--older", "-5s"},
                                   {"--older", "5 weeks"},
                                   {"--min-size", "big"},
                                   {"--max-size", "-1"},
                                   {"--color", "green"},
                                   {"--filename-parts", "-1"},
                                   {"--allocated", "--freed"},
                                   {"--json", "--csv"},
                                   {"--pretty", "--csv"},
                                   {"--sort", "diff"},
                                   {"--by", "domain", "--cumulative"},
                                   {"--by", "traceback", "--cumulative"},
                                   {"--freed", "--older", "5m"},
                                   {"--tracebacks"},
                                   {"--min-size", "2", "--max-size", "1"},
                                   {"--preset", "there is no such preset"}};
    for (const Words& words : wrong) {
        Words line{"stats", "a"};
        line.insert(line.end(), words.begin(), words.end());
        (void)refused(line);
    }
}

RULE("growth takes three snapshots or more and has an order of its own; without it there are two") {
    const auto diff = parsed_as<DiffOptions>({"diff", "--growth", "a", "b", "c", "d"});
    CHECK(diff.growth);
    CHECK(diff.later == Words{"c", "d"});
    CHECK(refused({"diff", "--growth", "a", "b"}).find("three") != std::string::npos);
    (void)refused({"diff", "a", "b", "c"});
    (void)refused({"diff", "--growth", "a", "b", "c", "--sort", "size"});
}

RULE("leaks takes memleak's options, with its defaults") {
    const LeaksOptions plain = parsed_as<LeaksOptions>({"leaks", "-p", "7"});
    CHECK(plain.file.empty());
    CHECK(plain.trace.pid == 7);
    CHECK(plain.trace.interval_s == 5);
    CHECK(plain.trace.frames == 16);
    CHECK(plain.trace.view.by == memtrace::GroupBy::traceback);
    CHECK(plain.trace.view.blocks.older == std::chrono::milliseconds(500));
    REQUIRE(plain.trace.leaks);
    CHECK(plain.trace.leaks->stacks == 10);
    CHECK_FALSE(plain.trace.leaks->age_given);
    CHECK_FALSE(plain.trace.leaks->count);
    const LeaksOptions all = parsed_as<LeaksOptions>(
        {"leaks", "-p", "7", "-o", "60000", "-T", "3", "-z", "16", "-Z", "4KiB", "-a", "-t", "--histogram", "0.5", "12"});
    CHECK(all.trace.view.blocks == memtrace::BlockBounds{16, 4096, std::chrono::minutes(1)});
    CHECK(all.trace.leaks->stacks == 3);
    CHECK(all.trace.leaks->show_blocks);
    CHECK(all.trace.leaks->show_calls);
    CHECK(all.trace.leaks->histogram);
    CHECK(all.trace.leaks->age_given);
    CHECK(all.trace.leaks->count == 12);
    CHECK(all.trace.interval_s == 0.5);
}

RULE("leaks of a command, and of a snapshot") {
    const LeaksOptions command = parsed_as<LeaksOptions>({"leaks", "-T", "3", "1", "--", "./server", "-o", "x"});
    CHECK(command.trace.command == std::vector<std::string>{"./server", "-o", "x"});
    CHECK(command.trace.leaks->stacks == 3);
    CHECK(command.trace.interval_s == 1);
    const LeaksOptions file = parsed_as<LeaksOptions>({"leaks", "a.pb.gz", "-o", "0"});
    CHECK(file.file == "a.pb.gz");
    CHECK(file.trace.pid == 0);
}

RULE("what leaks cannot do is refused with what to do instead") {
    CHECK(refused({"leaks"}).find("Give -p PID, -- COMMAND, or the FILE") != std::string::npos);
    CHECK(refused({"leaks", "-p", "7", "-s", "10"}).find("every allocation is counted") != std::string::npos);
    CHECK(refused({"leaks", "-p", "7", "-O", "libfoo.so"}).find("found by themselves") != std::string::npos);
    CHECK(refused({"leaks", "-c", "ls"}).find("behind --") != std::string::npos);
    CHECK(refused({"leaks", "-p", "7", "soon"}).find("no interval") != std::string::npos);
    CHECK(refused({"leaks", "-p", "7", "5", "0"}).find("no number of reports") != std::string::npos);
    CHECK(refused({"leaks", "-a", "a.pb.gz"}).find("not their addresses") != std::string::npos);
    CHECK(refused({"leaks", "-t", "a.pb.gz"}).find("running program") != std::string::npos);
    CHECK(refused({"leaks", "-p", "7", "-z", "9", "-Z", "8"}).find("no block has such a size") != std::string::npos);
    refused({"leaks", "-p", "7", "--", "ls"});
    refused({"leaks", "-p", "7", "1", "2", "3"});
    refused({"-p", "7", "leaks", "a.pb.gz"});
}

RULE("histograms, temporary blocks and rates can be asked for") {
    CHECK(parsed_as<StatsOptions>({"stats", "a", "--histogram", "total"}).report.histogram == ReportOptions::Histogram::total);
    CHECK(parsed_as<DiffOptions>({"diff", "a", "b", "--histogram", "rows"}).report.histogram == ReportOptions::Histogram::rows);
    refused({"stats", "a", "--histogram", "some"});
    refused({"stats", "a", "--histogram", "rows", "--csv"});
    const ViewOptions view = parsed_as<TraceOptions>({"-p", "7", "--show", "temporary,alloc-rate,free-rate,byte-rate", "--sort", "temporary"}).view;
    CHECK(view.columns == std::vector<memtrace::Column>{memtrace::Column::temporary, memtrace::Column::alloc_rate, memtrace::Column::free_rate,
                                                        memtrace::Column::byte_rate});
    CHECK(view.order == memtrace::Order::temporary);
    CHECK_FALSE(view.needs_blocks());
}
