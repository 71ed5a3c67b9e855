// The options of `leaks`: those of bcc's memleak where they make sense here.
#include <charconv>

#include "options_parts.hpp"

namespace memtrace::cli {
namespace {

constexpr unsigned default_frames = 16;
constexpr std::int64_t default_older_ms = 500;
constexpr double least_interval_s = 0.05, most_interval_s = 86400;
constexpr unsigned most_reports = 1'000'000'000;

void add_size(CLI::App& app, const char* name, std::uint64_t& size, const char* description) {
    const auto wrong = [](const std::string& text) { return parse_size(text) ? std::string() : "\"" + text + "\" is no size such as 4KiB"; };
    app.add_option_function<std::string>(
           name, [&size](const std::string& text) { size = *parse_size(text); }, description)
        ->check(CLI::Validator(wrong, ""))
        ->type_name("SIZE");
}

// What memleak has and we have not: refused with what to do instead.
void refuse(CLI::App& app, const char* name, const char* instead) {
    const auto never = [instead](const std::string&) { return std::string(instead); };
    app.add_option_function<std::string>(name, [](const std::string&) {})->check(CLI::Validator(never, ""))->group("");
}

template <typename Number>
std::optional<Number> number_in(const std::string& word, Number least, Number most) {
    Number number{};
    const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc() || rest != word.data() + word.size() || !(number >= least && number <= most)) return std::nullopt;
    return number;
}

}  // namespace

void add_leaks_options(CLI::App& app, LeaksOptions& leaks) {
    TraceOptions& trace = leaks.trace;
    trace.leaks.emplace();
    trace.frames = default_frames;
    trace.view.by = GroupBy::traceback;
    trace.view.blocks.older = std::chrono::milliseconds(default_older_ms);
    LeaksReport& report = *trace.leaks;
    add_capture_options(app, trace);
    app.add_option_function<std::int64_t>(
           "-o,--older",
           [&trace, &report](std::int64_t ms) {
               trace.view.blocks.older = std::chrono::milliseconds(ms);
               report.age_given = true;
           },
           "Only blocks of at least this age, in milliseconds (default: 500; of a program that has ended: all)")
        ->check(between(std::int64_t{0}, std::int64_t{1} << 40))
        ->type_name("AGE_MS");
    app.add_option("-T,--top", report.stacks, "How many stacks")->check(between(1U, 1'000'000U))->capture_default_str()->type_name("N");
    add_size(app, "-z,--min-size", trace.view.blocks.min_size_bytes, "Only blocks of at least SIZE");
    add_size(app, "-Z,--max-size", trace.view.blocks.max_size_bytes, "Only blocks of at most SIZE");
    app.add_flag("-a,--show-allocs", report.show_blocks, "List the outstanding blocks, too, the oldest 10000");
    app.add_flag("-t,--trace", report.show_calls, "Print each block when it is allocated and when it is freed");
    app.add_flag("--histogram", report.histogram, "How sizes and ages are spread, of each stack and in all");
    app.add_option("--output", trace.output, "Write a snapshot to FILE at the end")->type_name("FILE");
    add_view_options(app, trace.view);
    app.add_option_function<std::string>(
           "--color",
           [&trace](const std::string& when) {
               trace.view.colour = when == "always" ? Colour::always : when == "never" ? Colour::never : Colour::automatic;
           },
           "Colours: auto (on terminals, unless NO_COLOR is set), always, never")
        ->check(CLI::IsMember({"auto", "always", "never"}).description(""))
        ->type_name("auto|always|never");
    refuse(app, "-c,--command", "give the command behind --: memtrace-bpf leaks [OPTIONS] -- COMMAND ARGS...");
    refuse(app, "-s,--sample-rate", "every allocation is counted, there are no samples: leave it out");
    refuse(app, "-O,--obj", "all allocators that the process has mapped are found by themselves: leave it out (see memtrace-bpf probes -p PID)");
    app.add_option_function<std::vector<std::string>>(
           "WORDS", [](const std::vector<std::string>&) {},
           "INTERVAL in seconds (default: 5) and how many reports to show (default: until Ctrl-C); without -p a snapshot's FILE")
        ->expected(0, 2)
        ->type_name("[INTERVAL [COUNT]] | FILE");
}

Result<void> take_leaks_words(LeaksOptions& leaks, const std::vector<std::string>& words) {
    TraceOptions& trace = leaks.trace;
    if (trace.pid && !trace.command.empty()) return Error{"give either -p PID or -- COMMAND, not both"};
    if (!trace.pid && trace.command.empty()) {
        if (words.size() != 1) return Error{"leaks of what? Give -p PID, -- COMMAND, or the FILE of a snapshot"};
        if (trace.leaks->show_blocks)
            return Error{"-a wants a running program", "snapshots keep how many blocks are of which size and age, not their addresses"};
        if (trace.leaks->show_calls) return Error{"-t wants a running program"};
        leaks.file = words.front();
        return {};
    }
    if (!words.empty()) {
        const std::optional<double> interval = number_in(words[0], least_interval_s, most_interval_s);
        if (!interval) return Error{"\"" + words[0] + "\" is no interval in seconds", "leaks -p PID [INTERVAL [COUNT]]"};
        trace.interval_s = *interval;
    }
    if (words.size() < 2) return {};
    trace.leaks->count = number_in(words[1], 1U, most_reports);
    if (!trace.leaks->count) return Error{"\"" + words[1] + "\" is no number of reports", "leaks -p PID [INTERVAL [COUNT]]"};
    return {};
}

}  // namespace memtrace::cli
