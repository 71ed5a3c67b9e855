// `export FILE --to FORMAT -o OUT` and `import FILE -o OUT`: snapshots for other programs, and theirs for us. No root needed.
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>

#include "commands.hpp"
#include "format/flame_graph.hpp"
#include "format/live_sites.hpp"
#include "format/output_file.hpp"
#include "format/pprof.hpp"
#include "format/tables.hpp"
#include "format/tracemalloc_file.hpp"
#include "model/stack.hpp"

namespace memtrace::cli {
namespace {

constexpr std::uint64_t max_pickle_bytes = std::uint64_t{1} << 32;

Result<std::string> tracemalloc(const Snapshot& snapshot, const ExportOptions& options) {
    Result<TracemallocFile> file = encode_tracemalloc(snapshot, options.view.lines, options.python_minor);
    if (!file) return file.error();
    if (file->blocks_split_evenly)
        std::fprintf(stderr, "memtrace-bpf: %s: the sizes of %llu of %llu blocks are not known: their sum is split evenly; sum and count are exact\n",
                     options.file.c_str(), static_cast<unsigned long long>(file->blocks_split_evenly), static_cast<unsigned long long>(file->blocks));
    return std::move(file->bytes);
}

Result<std::string> encode(const Snapshot& snapshot, const ExportOptions& options) {
    const std::string& format = options.format;
    if (format == "tracemalloc") return tracemalloc(snapshot, options);
    if (format == "folded") return encode_folded(snapshot, options.view.lines);
    if (format == "speedscope") return encode_speedscope(snapshot, options.view.lines);
    if (format == "json") return encode_json(snapshot);
    if (format == "csv") return encode_csv(snapshot, options.view.lines);
    return encode_snapshot(snapshot);
}

// Other tools show the frames in the order in which they stand.
void put_in_order(Snapshot& snapshot, Lines lines) {
    for (Site& site : snapshot.sites) {
        const Stack stack(snapshot, site, lines);
        std::vector<FrameId> frames;
        for (std::size_t i = 0; i < stack.size(); ++i) frames.push_back(stack[i]);
        site.frames = std::move(frames);
    }
}

// What the file itself does not tell.
void describe_source(const std::string& file, Snapshot& snapshot) {
    snapshot.tool_version = MEMTRACE_VERSION;
    snapshot.processes.front().command = std::filesystem::path(file).filename();
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) return;
    snapshot.time += std::chrono::seconds(status.st_mtim.tv_sec) + std::chrono::nanoseconds(status.st_mtim.tv_nsec);
}

}  // namespace

Result<int> export_to(const ExportOptions& options) {
    Result<Snapshot> snapshot = read_snapshot(options.file);
    if (!snapshot) return snapshot.error();
    if (Result<void> possible = check(options.view, *snapshot); !possible) return std::move(possible).error().in(options.file);
    *snapshot = only_shown(*std::move(snapshot), options.view);
    if (snapshot->sites.empty() && options.view != View())
        std::fprintf(stderr, "memtrace-bpf: %s: nothing is left of what is shown\n", options.file.c_str());
    if (options.format == "pprof" && options.view.lines != Lines::python) put_in_order(*snapshot, options.view.lines);
    const Result<std::string> bytes = encode(*snapshot, options);
    if (!bytes) return Error(bytes.error()).in(options.file);
    if (Result<void> written = write_output(options.output, *bytes); !written) return std::move(written).error().in(options.output);
    return 0;
}

Result<int> import_from(const ImportOptions& options) {
    const Result<std::string> bytes = read_input(options.file, max_pickle_bytes, looks_like_pickle, "a snapshot of tracemalloc");
    Result<Snapshot> snapshot = bytes ? decode_tracemalloc(*bytes) : Result<Snapshot>(bytes.error());
    if (!snapshot) return std::move(snapshot).error().in(options.file);
    describe_source(options.file, *snapshot);
    if (Result<void> written = write_snapshot(*snapshot, options.output); !written) return std::move(written).error();
    return 0;
}

}  // namespace memtrace::cli
