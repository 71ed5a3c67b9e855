// `make bench`: every claim about cost, measured on this machine in one run. Exit status 1 when one does not hold.
#include <algorithm>
#include <cstdio>

#include "loader/requirements.hpp"
#include "measurements.hpp"

int main() {
    using namespace memtrace;
    using namespace memtrace::bench;
    const auto fail = [](const Error& error) {
        std::fprintf(stderr, "bench: %s\n", error.what.c_str());
        return 2;
    };
    if (Result<void> done = require_all(); !done) return fail(done.error());
    const Result<Calibration> calibration = calibrate();
    if (!calibration) return fail(calibration.error());
    std::vector<Figure> figures;
    if (Result<void> done = measure_pairs(*calibration, figures); !done) return fail(done.error());
    if (Result<void> done = measure_tables(*calibration, figures); !done) return fail(done.error());
    if (Result<void> done = measure_tracer(figures); !done) return fail(done.error());
    for (const auto measure : {measure_python, measure_first_sight, measure_attach})
        if (Result<void> done = measure(*calibration, figures); !done) std::fprintf(stderr, "bench: left out: %s\n", done.error().what.c_str());
    print_table(figures);
    if (!write_json(figures, "build/bench.json")) return fail(Error{"cannot write build/bench.json"});
    return std::all_of(figures.begin(), figures.end(), [](const Figure& figure) { return figure.holds(); }) ? 0 : 1;
}
