// `stats FILE` and `diff OLD NEW`: tracemalloc's lines, no root needed.
#include <cstdio>

#include "ask.hpp"
#include "commands.hpp"
#include "format/pprof.hpp"
#include "format/text.hpp"
#include "model/statistics.hpp"

namespace memtrace::cli {
namespace {

template <typename Rows>
void print_rows(const Rows& rows, unsigned limit) {
    unsigned printed = 0;
    for (const auto& row : rows) {
        if (limit && printed++ == limit) break;
        std::puts(printable(format_line(row)).c_str());
    }
}

// What qualifies the numbers goes to stderr, so that the lines stay what scripts expect.
void print_losses(const std::string& file, const Snapshot& snapshot) {
    for (const Loss& loss : snapshot.losses)
        if (loss.lost && loss.count)
            std::fprintf(stderr, "memtrace-bpf: %s: lost %llu: %s\n", file.c_str(), static_cast<unsigned long long>(loss.count), loss.cause.c_str());
}

}  // namespace

Result<int> stats(const StatsOptions& options) {
    const Result<Snapshot> snapshot = read_snapshot(options.file);
    if (!snapshot) return snapshot.error();
    const std::vector<Statistic> rows = statistics(*snapshot, options.view);
    print_rows(rows, options.rows);
    if (rows.empty())
        std::fprintf(stderr, "memtrace-bpf: %s: nothing %swas live that had been allocated since tracing began\n", options.file.c_str(),
                     options.view.filters.empty() ? "" : "of what is shown ");
    print_losses(options.file, *snapshot);
    return 0;
}

Result<int> diff(const DiffOptions& options) {
    const bool running = options.pid || !options.socket.empty();
    const auto get = [&](const std::string& name) { return running ? fetch_snapshot(options.pid, options.socket, name) : read_snapshot(name); };
    const Result<Snapshot> before = get(options.before);
    if (!before) return before.error();
    const Result<Snapshot> after = get(options.after);
    if (!after) return after.error();
    print_rows(compare(*before, *after, options.view), options.rows);
    print_losses(options.before, *before);
    print_losses(options.after.empty() ? "now" : options.after, *after);
    return 0;
}

}  // namespace memtrace::cli
