// The command line of requests to a running trace, and sizes.
#include <unistd.h>

#include <cstdlib>

#include "cli/options.hpp"
#include "cli/options_parts.hpp"
#include "support/catch.hpp"

using namespace memtrace::cli;
using memtrace::control::Do;

namespace {

std::variant<Options, int> parse(std::vector<std::string> words) {
    words.insert(words.begin(), "memtrace-bpf");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    return parse_options(static_cast<int>(words.size()), argv.data());
}

template <typename Wanted>
Wanted parsed_as(const std::vector<std::string>& words) {
    const std::variant<Options, int> parsed = parse(words);
    REQUIRE(std::holds_alternative<Options>(parsed));
    REQUIRE(std::holds_alternative<Wanted>(std::get<Options>(parsed)));
    return std::get<Wanted>(std::get<Options>(parsed));
}

bool refused(const std::vector<std::string>& words) {
    const std::variant<Options, int> parsed = parse(words);
    return std::holds_alternative<int>(parsed) && std::get<int>(parsed) == 2;
}

}  // namespace

RULE("each command asks for what its name says") {
    const std::pair<const char*, Do> commands[] = {
        {"checkpoints", Do::checkpoints}, {"clear", Do::clear}, {"reset-peak", Do::reset_peak}, {"status", Do::status}, {"stop", Do::stop}};
    for (const auto& [name, what] : commands) {
        const auto asked = parsed_as<ControlOptions>({name, "-p", "42"});
        REQUIRE(asked.request.what == what);
        REQUIRE(asked.pid == 42);
        REQUIRE(refused({name}));
        REQUIRE(refused({name, "-p", "x"}));
    }
    const auto checkpoint = parsed_as<ControlOptions>({"checkpoint", "a b", "--socket", "/s", "--no-stop"});
    REQUIRE(checkpoint.request == memtrace::control::Request{.what = Do::checkpoint, .name = "a b", .stop_threads = false});
    REQUIRE(checkpoint.socket == "/s");
    const auto snapshot = parsed_as<ControlOptions>({"snapshot", "-p", "1", "-o", "f", "--checkpoint", "c"});
    REQUIRE(snapshot.request.checkpoint == "c");
    REQUIRE(snapshot.output == "f");
    REQUIRE(parsed_as<ControlOptions>({"where", "0xff", "-p", "1", "--json"}).request.address == 255);
    REQUIRE(parsed_as<ControlOptions>({"where", "255", "-p", "1"}).request.address == 255);
    for (const char* address : {"0x", "ff", "-1", "1 ", ""}) REQUIRE(refused({"where", address, "-p", "1"}));
    REQUIRE(refused({"snapshot", "-p", "1"}));
    REQUIRE(refused({"checkpoint", "-p", "1"}));
}

RULE("start takes the options of a trace, and needs a pid") {
    const auto start = parsed_as<StartOptions>({"start", "-p", "42", "--frames", "7", "--checkpoint-memory", "1MiB"});
    REQUIRE(start.trace.pid == 42);
    REQUIRE(start.trace.frames == 7);
    REQUIRE(start.trace.checkpoint_memory == 1 << 20);
    REQUIRE(refused({"start"}));
    REQUIRE(refused({"start", "-p", "42", "--", "ls"}));
}

RULE("diff compares two files, or checkpoints of a running trace, the later one being now by default") {
    REQUIRE(parsed_as<DiffOptions>({"diff", "a", "b"}).pid == 0);
    REQUIRE(refused({"diff", "a"}));
    REQUIRE(parsed_as<DiffOptions>({"diff", "-p", "42", "a"}).after.empty());
    REQUIRE(parsed_as<DiffOptions>({"diff", "-p", "42", "a", "b"}).after == "b");
}

RULE("the socket's name may come from the environment, but not make a diff of files one of a trace") {
    setenv("MEMTRACE_BPF_SOCKET", "/e", 1);
    REQUIRE(parsed_as<ControlOptions>({"status"}).socket == "/e");
    REQUIRE(parsed_as<ControlOptions>({"status", "--socket", "/o"}).socket == "/o");
    REQUIRE(parsed_as<TraceOptions>({"-p", "42"}).socket == "/e");
    REQUIRE(parsed_as<DiffOptions>({"diff", "a", "b"}).socket.empty());
    REQUIRE(parsed_as<DiffOptions>({"diff", "-p", "1", "a", "b"}).socket == "/e");
    unsetenv("MEMTRACE_BPF_SOCKET");
    REQUIRE(parsed_as<TraceOptions>({"-p", "42"}).socket.empty());
}

RULE("sizes are binary, whatever their unit is called") {
    const std::pair<const char*, std::uint64_t> good[] = {{"0", 0},
                                                          {"4096", 4096},
                                                          {"4096B", 4096},
                                                          {"1K", 1024},
                                                          {"1kb", 1024},
                                                          {"1KiB", 1024},
                                                          {"1.5 MiB", 3 << 19},
                                                          {"2g", std::uint64_t{2} << 30},
                                                          {"1T", std::uint64_t{1} << 40}};
    for (const auto& [text, bytes] : good) REQUIRE(parse_size(text) == bytes);
    for (const char* text : {"", "B", "-1", "1X", "1KX", "1KiBs", "nan", "inf", "1e30", "1 1", "0x10"}) REQUIRE_FALSE(parse_size(text));
    REQUIRE(parsed_as<TraceOptions>({"-p", "1", "--fail-over", "200MiB"}).fail_over == 200 << 20);
    REQUIRE(parsed_as<TraceOptions>({"-p", "1", "--fail-growth", "0"}).fail_growth == 0U);
    REQUIRE(refused({"-p", "1", "--fail-over", "much"}));
}

RULE("periodic work has the options it is told by") {
    const auto trace = parsed_as<TraceOptions>({"-p", "1", "--top-every", "2", "--snapshot-keep", "3", "--compare", "first"});
    REQUIRE(trace.interval_s == 2);
    REQUIRE(trace.snapshot_keep == 3);
    REQUIRE(trace.compare_first);
    REQUIRE_FALSE(parsed_as<TraceOptions>({"-p", "1", "--compare", "previous"}).compare_first);
    REQUIRE(refused({"-p", "1", "--compare", "last"}));
    REQUIRE(refused({"-p", "1", "--snapshot-keep", "0"}));
}
