// Which blocks are shown, and how; and the commands that show those of a file.
#include <charconv>

#include "memtrace.h"
#include "options_parts.hpp"
#include "probes/plan.hpp"

namespace memtrace::cli {
namespace {

DomainFilter domain_filter(std::string word) {
    const bool inclusive = !word.starts_with('-');
    if (word.starts_with('+') || word.starts_with('-')) word.erase(0, 1);
    return {inclusive, std::move(word)};
}

std::string domain_names() {
    std::string names;
    for (unsigned domain = 0; domain < MT_DOMAIN_COUNT; ++domain) names += (domain ? ", " : "") + std::string(domain_name(domain));
    return names;
}

// What is wrong with the word; empty: nothing.
std::string unknown_domain(const std::string& word) {
    const std::string wanted = domain_filter(word).domain;
    for (unsigned domain = 0; domain < MT_DOMAIN_COUNT; ++domain) {
        if (wanted == domain_name(domain)) return {};
    }
    return "there is no domain \"" + wanted + "\"; there are " + domain_names();
}

// "+PATTERN:LINE": the sign and the line may be missing. A pattern with a colon before digits needs a line behind it, which tracemalloc's do not.
FileFilter file_filter(std::string word) {
    FileFilter filter;
    filter.inclusive = !word.starts_with('-');
    if (word.starts_with('+') || word.starts_with('-')) word.erase(0, 1);
    const std::size_t colon = word.rfind(':');
    if (colon != std::string::npos) {
        std::uint32_t line = 0;
        const char* const end = word.data() + word.size();
        const auto [rest, error] = std::from_chars(word.data() + colon + 1, end, line);
        if (error == std::errc() && rest == end) {
            filter.line = line;
            word.erase(colon);
        }
    }
    filter.pattern = std::move(word);
    return filter;
}

std::string empty_filter(const std::string& word) { return file_filter(word).pattern.empty() ? "a filter needs a pattern of file names" : ""; }

}  // namespace

void add_view_options(CLI::App& app, View& view) {
    app.add_option_function<std::vector<std::string>>(
           "--domain",
           [&view](const std::vector<std::string>& words) {
               for (const std::string& word : words) view.filters.domains.push_back(domain_filter(word));
           },
           "Show only blocks of this domain (" + domain_names() + "); with -, all but these; repeatable")
        ->check(CLI::Validator(unknown_domain, ""))
        ->allow_extra_args(false)  // one value each: the next word may be a file
        ->type_name("[+-]NAME");
    app.add_option_function<std::vector<std::string>>(
           "--filter",
           [&view](const std::vector<std::string>& words) {
               for (const std::string& word : words) view.filters.files.push_back(file_filter(word));
           },
           "Show only blocks of files that match PATTERN (*, ?, [set]), and of this line of them; with -, all but these; repeatable")
        ->check(CLI::Validator(empty_filter, ""))
        ->allow_extra_args(false)
        ->type_name("[+-]PATTERN[:LINE]");
    app.add_flag_callback(
        "--filter-all-frames", [] {}, "Filters look at all frames of a stack, not only the newest");
    app.final_callback([&app, &view] {
        for (FileFilter& filter : view.filters.files) filter.all_frames = app.count("--filter-all-frames") > 0;
    });
    app.add_option_function<std::string>(
           "--lines",
           [&view](const std::string& kind) { view.lines = kind == "native"  ? Lines::native
                                                           : kind == "mixed" ? Lines::mixed
                                                                             : Lines::python; },
           "Show native blocks (malloc, mmap) below Python code by their Python line, by their native caller, or mixed: the native frames, then "
           "the Python ones in the place of the interpreter's own (--frames)")
        ->check(CLI::IsMember({"python", "native", "mixed"}).description(""))
        ->default_str("python")
        ->type_name("python|native|mixed");
}

void add_stats_options(CLI::App& app, StatsOptions& stats) {
    app.add_option("FILE", stats.file, "Snapshot")->required();
    app.add_option("-n,--rows", stats.rows, "Only the first ROWS lines (default: all; with --pretty: 10)")->type_name("ROWS");
    add_view_options(app, stats.view);
    add_row_options(app, stats.view);
    add_report_options(app, stats.report);
}

void add_top_options(CLI::App& app, TopCommandOptions& top) {
    app.add_option("FILE", top.files, "Snapshots")->required();
    app.add_flag("--replay", top.replay, "Show several snapshots one after another, in the order in which they are named");
    app.add_option("-i,--interval", top.interval_s, "Seconds for which each is shown")
        ->check(between(0.05, 86400.0))
        ->capture_default_str()
        ->type_name("SECONDS");
    app.add_option("-n,--rows", top.rows, "Rows of plain text")->check(between(1U, 100000U))->capture_default_str()->type_name("ROWS");
    app.add_option_function<std::string>(
           "--compare", [&top](const std::string& with) { top.compare_first = with == "first"; },
           "What CHANGE is since: the snapshot before, or the first")
        ->check(CLI::IsMember({"previous", "first"}).description(""))
        ->default_str("previous")
        ->type_name("previous|first");
    app.add_flag("--plain", top.plain, "Plain text on a terminal, too, instead of the full-screen display");
    add_view_options(app, top.view);
    add_row_options(app, top.view);
}

void add_diff_options(CLI::App& app, DiffOptions& diff) {
    app.add_option("OLD", diff.before, "Earlier snapshot; with -p: checkpoint of a running trace")->required();
    app.add_option("NEW", diff.after, "Later one (default with -p: now)");
    add_reach_options(app, diff.pid, diff.socket);
    app.add_option("MORE", diff.later, "With --growth: snapshots after those two");
    app.add_flag("--growth", diff.growth, "Lines that grew from each snapshot to the next, by total growth; three snapshots or more");
    app.add_option("-n,--rows", diff.rows, "Only the first ROWS lines (default: all; with --pretty: 10)")->type_name("ROWS");
    add_view_options(app, diff.view);
    add_row_options(app, diff.view);
    add_report_options(app, diff.report);
}

}  // namespace memtrace::cli
