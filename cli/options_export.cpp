// The options of `export` and `import`.
#include "format/tracemalloc_file.hpp"
#include "options_parts.hpp"

namespace memtrace::cli {
namespace {

// "3.12" → 12; 0: none that is known.
unsigned minor_of(const std::string& version) {
    for (unsigned minor = kOldestPython; minor <= kNewestPython; ++minor) {
        if (version == "3." + std::to_string(minor)) return minor;
    }
    return 0;
}

std::string unknown_python(const std::string& version) {
    return minor_of(version) != 0 ? "" : "Python 3.6 to 3.15 are known, not \"" + version + "\"";
}

}  // namespace

void add_export_options(CLI::App& app, ExportOptions& options) {
    app.add_option("FILE", options.file, "Snapshot")->required();
    app.add_option("-o,--output", options.output, "File to write, /dev/stdout for none")->required()->type_name("OUT");
    app.add_option("--to", options.format,
                   "Format to write: of Python's tracemalloc.Snapshot.load, go tool pprof, flamegraph.pl, speedscope, or data")
        ->required()
        ->check(CLI::IsMember({"tracemalloc", "pprof", "folded", "speedscope", "json", "csv"}).description(""))
        ->type_name("tracemalloc|pprof|folded|speedscope|json|csv");
    app.add_option_function<std::string>(
           "--python", [&options](const std::string& version) { options.python_minor = minor_of(version); },
           "Version of Python that is to load a tracemalloc file, 3.6 to 3.15")
        ->check(CLI::Validator(unknown_python, ""))
        ->default_str("3.15")
        ->type_name("3.N");
    add_view_options(app, options.view);
}

void add_import_options(CLI::App& app, ImportOptions& options) {
    app.add_option("FILE", options.file, "Snapshot that Python's tracemalloc wrote (Snapshot.dump)")->required();
    app.add_option("-o,--output", options.output, "Snapshot to write")->required()->type_name("OUT");
}

}  // namespace memtrace::cli
