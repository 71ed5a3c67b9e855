// `make bench`: every claim about cost, measured on this machine in one run. Exit status 1 when one does not hold.
// Names as arguments choose some of the measurements.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "loader/requirements.hpp"
#include "measurements.hpp"

namespace {

using namespace memtrace;
using namespace memtrace::bench;

struct Measurement {
    const char* name;
    Result<void> (*measure)(const Calibration&, std::vector<Figure>&);
    bool needs_python = false;
};
constexpr Measurement measurements[] = {
    {"pairs", measure_pairs},
    {"contention", measure_contention},
    {"tables", measure_tables},
    {"checkpoints", measure_checkpoints},
    {"snapshots", [](const Calibration&, std::vector<Figure>& figures) { return measure_snapshots(figures); }},
    {"tracer", [](const Calibration&, std::vector<Figure>& figures) { return measure_tracer(figures); }},
    {"screen", [](const Calibration&, std::vector<Figure>& figures) { return measure_screen(figures); }},
    {"symbols", [](const Calibration&, std::vector<Figure>& figures) { return measure_symbols(figures); }},
    {"python", measure_python, true},
    {"first-sight", measure_first_sight, true},
    {"attach", measure_attach, true},
};

}  // namespace

int main(int argc, char** argv) {
    const auto fail = [](const Error& error) {
        std::fprintf(stderr, "bench: %s\n", error.what.c_str());
        return 2;
    };
    const std::vector<std::string> chosen(argv + 1, argv + argc);
    if (Result<void> done = require_all(); !done) return fail(done.error());
    const Result<Calibration> calibration = calibrate();
    if (!calibration) return fail(calibration.error());
    std::vector<Figure> figures;
    for (const auto& [name, measure, needs_python] : measurements) {
        if (!chosen.empty() && std::find(chosen.begin(), chosen.end(), name) == chosen.end()) continue;
        Result<void> done = measure(*calibration, figures);
        if (done) continue;
        if (!needs_python) return fail(done.error());
        std::fprintf(stderr, "bench: left out: %s\n", done.error().what.c_str());
    }
    print_table(figures);
    if (chosen.empty() && !write_json(figures, "build/bench.json")) return fail(Error{"cannot write build/bench.json"});
    return std::all_of(figures.begin(), figures.end(), [](const Figure& figure) { return figure.holds(); }) ? 0 : 1;
}
