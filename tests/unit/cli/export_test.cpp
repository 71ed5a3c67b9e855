// `export` and `import` from file to file.
#include "cli/commands.hpp"
#include "format/pprof.hpp"
#include "format/tracemalloc_file.hpp"
#include "support/catch.hpp"
#include "unit/format/samples.hpp"

using namespace memtrace;
using namespace memtrace::cli;
using namespace memtrace::test;

namespace {

std::string failure(const Result<int>& result) { return result ? "" : result.error().what; }

std::variant<Options, int> parse(std::vector<std::string> words) {
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

}  // namespace

RULE("export writes each format, and pprof is a snapshot file again") {
    const ScratchFolder folder;
    Snapshot snapshot = rich_snapshot();
    snapshot.sites.resize(1);
    REQUIRE(write_snapshot(snapshot, folder / "a"));
    const auto exported = [&](const char* format) {
        ExportOptions options{.file = folder / "a", .output = folder / "out", .format = format};
        REQUIRE(failure(export_to(options)).empty());
        return read_file(folder / "out");
    };
    CHECK(*decode_snapshot(exported("pprof")) == snapshot);
    CHECK(exported("tracemalloc").starts_with("\x80\x04"));
    CHECK(exported("folded").ends_with(" 38400\n"));
    CHECK(exported("speedscope").starts_with("{\"$schema\":"));
    CHECK(exported("json").starts_with("{\"format\":\"memtrace-bpf snapshot\""));
    CHECK(exported("csv").starts_with("pid,command,"));
    CHECK(folder.entries() == 2);
}

RULE("export exports what the filters let pass") {
    const ScratchFolder folder;
    SnapshotBuilder builder;
    REQUIRE(write_snapshot(builder.python("a.py", 1, 5).native("b.c", 2, "f", 7).get(), folder / "a"));
    ExportOptions options{.file = folder / "a", .output = folder / "out", .format = "folded"};
    options.view.filters.domains = {{false, "obj"}};
    REQUIRE(failure(export_to(options)).empty());
    CHECK(read_file(folder / "out") == "f (b.c:2) 7\n");
}

RULE("what cannot be read or written is named, and nothing is left behind") {
    const ScratchFolder folder;
    const std::string name = folder / "a";
    write_file(name, "text");
    CHECK(failure(export_to({.file = name, .output = folder / "out", .format = "csv"})) == "snapshot " + name + ": not a gzip file");
    CHECK(failure(import_from({.file = name, .output = folder / "out"})) ==
          name + ": not a snapshot of tracemalloc (a pickle in a protocol from 2 to 5)");
    CHECK(failure(import_from({.file = "/dev/zero", .output = folder / "out"})) ==
          "/dev/zero: not a snapshot of tracemalloc (a pickle in a protocol from 2 to 5)");
    REQUIRE(write_snapshot(Snapshot(), name));
    CHECK(failure(export_to({.file = name, .output = "/no/such/out", .format = "csv"})) ==
          "/no/such/out: cannot open its folder /no/such: No such file or directory");
    CHECK(failure(export_to({.file = name, .output = "/dev/full", .format = "csv"})) == "/dev/full: cannot write: No space left on device");
    CHECK(folder.entries() == 1);
}

RULE("an imported snapshot bears its file's name and time") {
    const ScratchFolder folder;
    SnapshotBuilder builder;
    write_file(folder / "service.pickle", encode_tracemalloc(builder.python("a.py", 1, 5).get(), Lines::python, 15)->bytes);
    REQUIRE(failure(import_from({.file = folder / "service.pickle", .output = folder / "out"})).empty());
    const Result<Snapshot> snapshot = read_snapshot(folder / "out");
    REQUIRE(snapshot);
    CHECK(snapshot->processes.front().command == "service.pickle");
    CHECK(snapshot->time.time_since_epoch() > std::chrono::hours(24 * 365 * 50));
    CHECK(snapshot->notes.size() == 1);
}

RULE("export takes a format it knows, a Python it knows, and a file to write") {
    const auto exported = parse({"memtrace-bpf", "export", "a", "-o", "b", "--to", "tracemalloc", "--python", "3.8", "--domain", "-mmap"});
    const auto& options = std::get<ExportOptions>(std::get<Options>(exported));
    CHECK(options.file == "a");
    CHECK(options.output == "b");
    CHECK(options.format == "tracemalloc");
    CHECK(options.python_minor == 8);
    CHECK(options.view.filters.domains == std::vector<DomainFilter>{{false, "mmap"}});
    const auto imported = parse({"memtrace-bpf", "import", "a", "-o", "b"});
    CHECK(std::get<ImportOptions>(std::get<Options>(imported)).output == "b");
    for (const std::vector<std::string>& wrong : {std::vector<std::string>{"memtrace-bpf", "export", "a", "--to", "csv"},
                                                  {"memtrace-bpf", "export", "a", "-o", "b"},
                                                  {"memtrace-bpf", "export", "a", "-o", "b", "--to", "xml"},
                                                  {"memtrace-bpf", "export", "a", "-o", "b", "--to", "tracemalloc", "--python", "3.5"},
                                                  {"memtrace-bpf", "export", "a", "-o", "b", "--to", "tracemalloc", "--python", "3.010"},
                                                  {"memtrace-bpf", "import", "a"}})
        CHECK(std::get<int>(parse(wrong)) == 2);
}
