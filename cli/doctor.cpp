// `memtrace-bpf doctor`: what this kernel and user can do, measured where it can be measured.
#include <Zydis/Zydis.h>
#include <bpf/libbpf.h>
#include <elfutils/version.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <CLI/CLI.hpp>

#include "commands.hpp"
#include "loader/calibrate.hpp"
#include "loader/requirements.hpp"

namespace memtrace::cli {
namespace {

const char* mark(Verdict verdict) {
    switch (verdict) {
        case Verdict::good: return "ok";
        case Verdict::limited: return "limited";
        default: return "MISSING";
    }
}

void print_costs(const Calibration& calibration) {
    const bool multi = calibration.method == AttachMethod::uprobe_multi;
    fmt::print("{:<22} {:<8} {}\n", "attaching", multi ? "ok" : "limited",
               multi ? "uprobe_multi" : "one perf event a probe (uprobe_multi needs Linux 6.10: attaching and detaching take longer)");
    fmt::print("\nCost of one probe hit here, by the instruction it displaces (return probe: +{:.0f} ns):\n", calibration.costs.return_ns);
    for (std::size_t i = 0; i < instruction_kind_count; ++i) {
        const auto kind = static_cast<InstructionKind>(i);
        fmt::print("  {:<8} {:>7.0f} ns  {}\n", name_of(kind), calibration.costs.entry_ns[i],
                   calibration.costs.emulated(kind) ? "emulated" : "single-stepped");
    }
}

}  // namespace

Result<int> doctor(const DoctorOptions&) {
    utsname names{};
    uname(&names);
    fmt::print("memtrace-bpf {} on Linux {} {}\n\n", MEMTRACE_VERSION, names.release, names.machine);
    bool usable = true;
    for (const Requirement& requirement : check_requirements()) {
        fmt::print("{:<22} {:<8} {}\n", requirement.name, mark(requirement.verdict), requirement.found);
        if (!requirement.effect.empty()) fmt::print("{:<31} -> {}\n", "", requirement.effect);
        usable = usable && requirement.verdict != Verdict::missing;
    }
    if (usable) {
        Result<Calibration> calibration = calibrate();
        if (!calibration) return std::move(calibration).error();
        print_costs(*calibration);
    }
    fmt::print("\nlibraries: libbpf {}, Zydis {}.{}.{}, elfutils {}.{}, fmt {}.{}, CLI11 {}\n", libbpf_version_string(),
               ZYDIS_VERSION_MAJOR(ZydisGetVersion()), ZYDIS_VERSION_MINOR(ZydisGetVersion()), ZYDIS_VERSION_PATCH(ZydisGetVersion()),
               _ELFUTILS_VERSION / 1000, _ELFUTILS_VERSION % 1000, FMT_VERSION / 10000, FMT_VERSION / 100 % 100, CLI11_VERSION);
    fmt::print("{}\n", usable ? "Everything needed is there." : "Tracing is not possible here; stats and diff of saved snapshots are.");
    return usable ? 0 : 1;
}

}  // namespace memtrace::cli
