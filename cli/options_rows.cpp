// The options that say how blocks are grouped, which of them count, and what is told of each group.
#include <charconv>
#include <map>

#include "options_parts.hpp"

namespace memtrace::cli {
namespace {

const std::map<std::string, GroupBy> groups{{"line", GroupBy::line},     {"lineno", GroupBy::line},         {"file", GroupBy::file},
                                            {"filename", GroupBy::file}, {"traceback", GroupBy::traceback}, {"function", GroupBy::function},
                                            {"domain", GroupBy::domain}, {"process", GroupBy::process},     {"thread", GroupBy::thread}};
const std::map<std::string, Order> orders{{"size", Order::size},           {"count", Order::count},           {"diff", Order::diff},
                                          {"alloc", Order::alloc},         {"freed", Order::freed},           {"age", Order::age},
                                          {"temporary", Order::temporary}, {"alloc-rate", Order::alloc_rate}, {"free-rate", Order::free_rate}};
const std::map<std::string, Column> columns{{"size", Column::size},
                                            {"count", Column::count},
                                            {"average", Column::average},
                                            {"allocated", Column::allocated},
                                            {"freed", Column::freed},
                                            {"rate", Column::rate},
                                            {"age", Column::age},
                                            {"domain", Column::domain},
                                            {"function", Column::function},
                                            {"temporary", Column::temporary},
                                            {"alloc-rate", Column::alloc_rate},
                                            {"free-rate", Column::free_rate},
                                            {"byte-rate", Column::byte_rate}};
const std::map<std::string, Colour> colours{{"auto", Colour::automatic}, {"always", Colour::always}, {"never", Colour::never}};

template <typename Value>
std::string names_of(const std::map<std::string, Value>& values) {
    std::string names;
    for (const auto& [name, value] : values) names += (names.empty() ? "" : ", ") + name;
    return names;
}

// What is wrong with the word; empty: nothing.
template <typename Value>
CLI::Validator one_of(const std::map<std::string, Value>& values) {
    const auto wrong = [&values](const std::string& word) {
        return values.contains(word) ? std::string() : "\"" + word + "\" is none of " + names_of(values);
    };
    return {wrong, ""};
}

template <typename Value, typename Take>
CLI::Option* add_word(CLI::App& app, const std::string& name, const std::map<std::string, Value>& values, Take take, const std::string& description) {
    return app
        .add_option_function<std::string>(
            name, [&values, take](const std::string& word) { take(values.at(word)); }, description)
        ->check(one_of(values));
}

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> words;
    for (std::size_t at = 0; at <= list.size();) {
        const std::size_t comma = std::min(list.find(',', at), list.size());
        words.push_back(list.substr(at, comma - at));
        at = comma + 1;
    }
    return words;
}

std::string wrong_columns(const std::string& list) {
    for (const std::string& word : split(list))
        if (!columns.contains(word)) return "\"" + word + "\" is none of " + names_of(columns);
    return {};
}

void add_size(CLI::App& app, const std::string& name, std::uint64_t& size, const std::string& description) {
    const auto wrong = [](const std::string& text) { return parse_size(text) ? std::string() : "\"" + text + "\" is no size such as 4KiB"; };
    app.add_option_function<std::string>(
           name, [&size](const std::string& text) { size = *parse_size(text); }, description)
        ->check(CLI::Validator(wrong, ""))
        ->type_name("SIZE");
}

void add_preset_options(CLI::App& app) {
    // with_presets() has taken them out before the rest is parsed: here for --help alone.
    const auto nothing = [](const std::string&) {};
    app.add_option_function<std::string>("--preset", nothing, "The view options that were saved under NAME, as if they stood here")
        ->type_name("NAME");
    app.add_option_function<std::string>("--save-preset", nothing, "Save these view options under NAME (~/.config/memtrace-bpf/presets)")
        ->type_name("NAME");
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_age(std::string_view text) {
    double number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit = text.substr(static_cast<std::size_t>(rest - text.data()));
    static const std::map<std::string_view, double> units{{"ms", 1},     {"", 1e3},     {"s", 1e3},    {"m", 60e3},
                                                          {"min", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
    const auto known = units.find(unit);
    constexpr double most_ms = 1e12;  // some 30 years
    if (error != std::errc() || known == units.end() || !(number >= 0) || number * known->second > most_ms) return {};
    return std::chrono::milliseconds(static_cast<std::int64_t>(number * known->second));
}

void add_row_options(CLI::App& app, ViewOptions& view) {
    add_word(
        app, "--by", groups, [&view](GroupBy by) { view.by = by; },
        "What makes blocks one row (line): line, file, traceback, function, domain, process or thread")
        ->type_name("KEY");
    app.add_flag("--cumulative", view.cumulative, "Count a block for every frame of its stack, not only the newest (by line, file, function)");
    CLI::Option* live = app.add_flag_callback(
        "--live", [&view] { view.counted = Counted::live; }, "Count blocks that are allocated and not freed (the default)");
    CLI::Option* allocated = app.add_flag_callback(
        "--allocated", [&view] { view.counted = Counted::allocated; }, "Count all that was allocated since tracing began");
    CLI::Option* freed = app.add_flag_callback(
        "--freed", [&view] { view.counted = Counted::freed; }, "Count what was freed of it");
    live->excludes(allocated)->excludes(freed);
    allocated->excludes(freed);
    add_size(app, "--min-size", view.blocks.min_size_bytes, "Count only blocks of at least SIZE (4096, 4KiB, 1M)");
    add_size(app, "--max-size", view.blocks.max_size_bytes, "Count only blocks of at most SIZE");
    const auto wrong_age = [](const std::string& text) {
        return parse_age(text) ? std::string() : "\"" + text + "\" is no time such as 90s, 5m, 2h or 1d";
    };
    app.add_option_function<std::string>(
           "--older", [&view](const std::string& text) { view.blocks.older = *parse_age(text); },
           "Count only blocks older than AGE (90s, 5m, 2h, 1d): leak suspects")
        ->check(CLI::Validator(wrong_age, ""))
        ->type_name("AGE");
    add_word(
        app, "--sort", orders, [&view](Order order) { view.order = order; },
        "Largest first by size, count, diff, alloc, freed, age (oldest), temporary, alloc-rate or free-rate")
        ->type_name("KEY");
    app.add_option_function<std::string>(
           "--show",
           [&view](const std::string& list) {
               view.columns.clear();
               for (const std::string& word : split(list)) view.columns.push_back(columns.at(word));
           },
           "What to tell of each row, in this order: size,count,average,allocated,freed,rate,alloc-rate,free-rate,"
           "byte-rate,temporary,age,domain,function")
        ->check(CLI::Validator(wrong_columns, ""))
        ->type_name("LIST");
    app.add_option("--filename-parts", view.filename_parts, "How many last parts of a path to show; 0: all")
        ->check(between(0U, 1000U))
        ->type_name("N");
    add_word(
        app, "--color", colours, [&view](Colour colour) { view.colour = colour; },
        "Colours: auto (on terminals, unless NO_COLOR is set), always, never")
        ->type_name("auto|always|never");
    add_preset_options(app);
}

void add_report_options(CLI::App& app, ReportOptions& report) {
    using Format = ReportOptions::Format;
    CLI::Option* pretty = app.add_flag_callback(
        "--pretty", [&report] { report.format = Format::pretty; }, "The top of tracemalloc's documentation: source lines, the rest, the total");
    CLI::Option* json = app.add_flag_callback(
        "--json", [&report] { report.format = Format::json; }, "One JSON object");
    CLI::Option* csv = app.add_flag_callback(
        "--csv", [&report] { report.format = Format::csv; }, "Comma-separated values under a header");
    pretty->excludes(json)->excludes(csv);
    json->excludes(csv);
    app.add_flag("--tracebacks", report.tracebacks,
                 "With --by traceback: all frames of each row, oldest first, with source lines where they can be read")
        ->excludes(json)
        ->excludes(csv);
    app.add_option_function<std::string>(
           "--histogram",
           [&report](const std::string& of) { report.histogram = of == "rows" ? ReportOptions::Histogram::rows : ReportOptions::Histogram::total; },
           "How sizes and ages of live blocks are spread, by powers of two: of all that is shown, or of each row, too")
        ->check(CLI::IsMember({"total", "rows"}).description(""))
        ->type_name("total|rows")
        ->excludes(csv);
    app.add_flag("--most-recent-first", report.most_recent_first, "Newest frame first in tracebacks");
}

}  // namespace memtrace::cli
