#include "remarks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "format/text.hpp"

namespace memtrace::cli {
namespace {

template <typename Matches>
bool any_block(std::span<const Snapshot> snapshots, const View& view, Matches matches) {
    return std::any_of(snapshots.begin(), snapshots.end(), [&](const Snapshot& snapshot) {
        const SiteFilter filter(snapshot, view.filters, view.lines);
        return std::any_of(snapshot.sites.begin(), snapshot.sites.end(), [&](const Site& site) { return matches(filter, site); });
    });
}

std::string program(const Snapshot& snapshot) {
    if (snapshot.processes.empty()) return "no process";
    return fmt::format("pid {} {}", snapshot.processes.front().pid, printable(snapshot.processes.front().command));
}

}  // namespace

void remark_on_losses(const std::string& name, const Snapshot& snapshot) {
    for (const Loss& loss : snapshot.losses)
        if (loss.lost && loss.count)
            std::fprintf(stderr, "memtrace-bpf: %s: lost %llu: %s\n", name.c_str(), static_cast<unsigned long long>(loss.count), loss.cause.c_str());
}

void remark_on_filters(const View& view, std::span<const Snapshot> snapshots) {
    for (const DomainFilter& filter : view.filters.domains)
        if (!any_block(snapshots, view, [&](const SiteFilter& sites, const Site& site) { return sites.matches(filter, site); }))
            std::fprintf(stderr, "memtrace-bpf: --domain %c%s matches nothing\n", filter.inclusive ? '+' : '-', filter.domain.c_str());
    for (std::size_t i = 0; i < view.filters.files.size(); ++i) {
        const FileFilter& filter = view.filters.files[i];
        if (any_block(snapshots, view, [&](const SiteFilter& sites, const Site& site) { return sites.matches_file(i, site); })) continue;
        const std::string line = filter.line ? fmt::format(":{}", *filter.line) : "";
        std::fprintf(stderr, "memtrace-bpf: --filter %c%s%s matches nothing\n", filter.inclusive ? '+' : '-', printable(filter.pattern).c_str(),
                     line.c_str());
    }
}

void remark_on_programs(std::span<const Snapshot> snapshots, std::span<const std::string> names) {
    const auto identity = [](const Snapshot& snapshot) {
        if (snapshot.processes.empty()) return std::tuple(0, std::uint64_t{0}, std::string());
        const Process& process = snapshot.processes.front();
        return std::tuple(process.pid, process.start_time_ticks, process.command);
    };
    for (std::size_t i = 1; i < snapshots.size(); ++i) {
        if (identity(snapshots[i]) == identity(snapshots[0])) continue;
        std::fprintf(stderr, "memtrace-bpf: these snapshots are of different programs: %s of %s, %s of %s\n", names[0].c_str(),
                     program(snapshots[0]).c_str(), names[i].c_str(), program(snapshots[i]).c_str());
        return;
    }
}

}  // namespace memtrace::cli
