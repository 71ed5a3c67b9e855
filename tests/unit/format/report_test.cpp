// Reports: source lines, the pretty top, JSON and CSV of rows. tracemalloc_differential_test.cpp compares the first two with CPython's.
#include "format/report.hpp"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "format/pretty.hpp"
#include "samples.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

Report report_of(const std::vector<Statistic>& rows, std::span<const Snapshot> snapshots, const View& view, std::size_t limit = 0) {
    Report report{snapshots, view, {}, limit};
    for (const Statistic& row : rows) report.rows.emplace_back(row);
    return report;
}

}  // namespace

RULE("source lines come stripped, by Python's newlines, and nothing comes of what is no readable file") {
    const ScratchFolder folder;
    write_file(folder / "a.py", "first\r\n\t second = 2 \rthird");
    SourceLines source;
    const std::string file = folder / "a.py";
    CHECK(source.line(file, 1) == "first");
    CHECK(source.line(file, 2) == "second = 2");
    CHECK(source.line(file, 3) == "third");
    CHECK(source.line(file, 4).empty());
    CHECK(source.line(file, 0).empty());
    CHECK(source.line((folder / "b.py").string(), 1).empty());
    CHECK(source.line(folder.path().string(), 1).empty());
    CHECK(source.line("/dev/zero", 1).empty());
    CHECK(source.line("<frozen os>", 1).empty());
    CHECK(source.line("", 1).empty());
}

RULE("a pretty top shows the last parts of a path, source lines, the rest and the total, nothing that could steer a terminal") {
    const ScratchFolder folder;
    write_file(folder / "a.py", "data = \x1b[2J\n");
    SnapshotBuilder builder;
    builder.python((folder / "a.py").string(), 1, 2048).python("/x/y/z/b.py", 7, 1024).python("c.py", 1, 512, 2);
    SourceLines source;
    const std::string shown = std::string(last_path_parts((folder / "a.py").string(), 2));
    CHECK(format_pretty(statistics(builder.get()), {.rows = 2, .filename_parts = 2}, source) ==
          std::vector<std::string>{"Top 2 lines", "#1: " + shown + ":1: 2.0 KiB", "    data = \\x1b[2J", "#2: z/b.py:7: 1.0 KiB", "1 other: 0.5 KiB",
                                   "Total allocated size: 3.5 KiB"});
}

RULE("a pretty top of differences shows each change and its sum") {
    SnapshotBuilder before, after;
    before.python("a.py", 1, 2048);
    after.python("a.py", 1, 1024).python("b.py", 1, 512);
    SourceLines source;
    CHECK(format_pretty(compare(before.get(), after.get()), {.rows = 1}, source) ==
          std::vector<std::string>{"[ Top 1 differences ]", "#1: a.py:1: 1.0 KiB (-1.0 KiB)", "1 other: 0.5 KiB (+0.5 KiB)",
                                   "Total allocated size: 1.5 KiB (-0.5 KiB)"});
}

RULE("JSON has a row with all figures for each group, the rest and the total") {
    SnapshotBuilder builder;
    builder.python("caf\xc3\xa9\xff.py", 3, 100, 2).python("b.py", 1, 10);
    const std::vector<Snapshot> snapshots{builder.get()};
    const View view;
    const auto json = nlohmann::json::parse(encode_report_json(report_of(statistics(snapshots[0], view), snapshots, view, 1)));
    CHECK(json["version"] == 1);
    CHECK(json["by"] == "line");
    CHECK(json["counted"] == "live");
    CHECK(json["snapshots"][0]["pid"] == 4242);
    REQUIRE(json["rows"].size() == 1);
    const auto& row = json["rows"][0];
    CHECK(row["file"] == "caf\xc3\xa9\\xff.py");
    CHECK(row["line"] == 3);
    CHECK(row["function"] == "f");
    CHECK(row["domain"] == "obj");
    CHECK(row["size"] == 100);
    CHECK(row["count"] == 2);
    CHECK(row["allocated_bytes"] == 100);
    CHECK_FALSE(row.contains("size_change"));
    CHECK(json["other"] == nlohmann::json({{"rows", 1}, {"size", 10}, {"count", 1}}));
    CHECK(json["total"]["size"] == 110);
}

RULE("JSON of every snapshot by every key is valid, whatever the names are") {
    const std::vector<Snapshot> snapshots{rich_snapshot()};
    for (const GroupBy by :
         {GroupBy::line, GroupBy::file, GroupBy::traceback, GroupBy::function, GroupBy::domain, GroupBy::process, GroupBy::thread}) {
        const View view{.by = by, .counted = Counted::allocated};
        const auto json = nlohmann::json::parse(encode_report_json(report_of(statistics(snapshots[0], view), snapshots, view)), nullptr, false);
        REQUIRE_FALSE(json.is_discarded());
        CHECK(json["by"] == name_of(by));
        CHECK_FALSE(json["rows"].empty());
    }
}

RULE("CSV has a header and quotes what needs it; Python's reader gets the names back") {
    SnapshotBuilder builder;
    builder.python("a,\"b\"\n.py", 3, 100, 3).python("\xff.py", 1, 10);
    const std::vector<Snapshot> snapshots{builder.get()};
    const View view;
    const std::string csv = encode_report_csv(report_of(statistics(snapshots[0], view), snapshots, view));
    CHECK(csv.find("\"a,\"\"b\"\"\n.py\",3,f,,,,,obj,100,,3,,33.333") != std::string::npos);
    CHECK(csv.find("\\xff.py,1,f") != std::string::npos);
    if (::access("/usr/bin/python3", X_OK) != 0) skip("no /usr/bin/python3 to read it");
    const ScratchFolder folder;
    write_file(folder / "rows.csv", csv);
    write_file(folder / "read.py",
               "import csv, sys\nfor row in csv.DictReader(open(sys.argv[1], newline='')): print(ascii(row['file']), row['size'], row['count'])\n");
    const auto read = output_of("/usr/bin/python3 -I " + (folder / "read.py").string() + " " + (folder / "rows.csv").string());
    REQUIRE(read);
    CHECK(*read == "'a,\"b\"\\n.py' 100 3\n'\\\\xff.py' 10 1\n");
}

RULE("rates, temporary blocks and histograms are told where they are known") {
    SnapshotBuilder builder;
    builder.python("a.py", 1, 30);
    std::vector<Snapshot> snapshots{builder.get()};
    View view;
    const auto row_of = [&] {
        return nlohmann::json::parse(encode_report_json(report_of(statistics(snapshots[0], view), snapshots, view)))["rows"][0];
    };
    CHECK_FALSE(row_of().contains("temporary_blocks"));
    CHECK_FALSE(row_of().contains("histogram"));
    snapshots[0].traced_for = std::chrono::seconds(2);
    snapshots[0].has_temporaries = snapshots[0].has_blocks = true;
    snapshots[0].sites[0].counters.temporary_blocks = 1;
    snapshots[0].sites[0].blocks = {{30, AgeStep{}, 1}};
    view.histograms = true;
    CHECK(row_of()["temporary_blocks"] == 1);
    CHECK(row_of()["alloc_rate"] == 0.5);
    CHECK(row_of()["byte_rate"] == 15);
    CHECK(row_of()["histogram"]["sizes"] == nlohmann::json::parse(R"([{"from": 16, "to": 31, "blocks": 1, "bytes": 30}])"));
    const std::vector<Statistic> rows = statistics(snapshots[0], view);
    Report report = report_of(rows, snapshots, view);
    const BlockHistograms total = histograms(snapshots[0], view);
    report.histograms = &total;
    CHECK(nlohmann::json::parse(encode_report_json(report))["histogram"]["ages"][0]["blocks"] == 1);
    CHECK(encode_report_csv(report).find(",1,0.5,0,15\n") != std::string::npos);
}

RULE("a difference in CSV and JSON has its changes") {
    SnapshotBuilder before, after;
    before.python("a.py", 1, 30);
    after.python("a.py", 1, 10, 2);
    const std::vector<Snapshot> snapshots{before.get(), after.get()};
    const std::vector<StatisticDiff> rows = compare(snapshots[0], snapshots[1]);
    const View view;
    const Report report{snapshots, view, {ReportRow(rows[0])}, 0};
    CHECK(encode_report_csv(report).find("a.py,1,f,,,,,obj,10,-20,2,1,5,") != std::string::npos);
    const auto json = nlohmann::json::parse(encode_report_json(report));
    CHECK(json["rows"][0]["size_change"] == -20);
    CHECK(json["total"]["count_change"] == 1);
}
