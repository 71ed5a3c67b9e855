// The program: parse, run one command, turn its outcome into words and an exit status.
#include <csignal>
#include <cstdio>

#include "commands.hpp"
#include "messages.hpp"
#include "options.hpp"

namespace {

using memtrace::Error;
using memtrace::Result;
using namespace memtrace::cli;

struct Run {
    Result<int> operator()(const TraceOptions& options) const { return trace(options); }
    Result<int> operator()(const StatsOptions& options) const { return stats(options); }
    Result<int> operator()(const DiffOptions& options) const { return diff(options); }
    Result<int> operator()(const ProbesOptions& options) const { return probes(options); }
    Result<int> operator()(const DoctorOptions& options) const { return doctor(options); }
    Result<int> operator()(const ExportOptions& options) const { return export_to(options); }
    Result<int> operator()(const ImportOptions& options) const { return import_from(options); }
    Result<int> operator()(const TopCommandOptions& options) const { return top(options); }
    Result<int> operator()(const StartOptions& options) const { return start(options); }
    Result<int> operator()(const LeaksOptions& options) const { return leaks(options); }
    Result<int> operator()(const ControlOptions& options) const { return ask(options); }
};

int fail(const Error& error) {
    print_error(error);
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // a closed output is an error to report, not to die of with probes in place
    const auto parsed = parse_options(argc, argv);
    if (const int* status = std::get_if<int>(&parsed)) return *status;
    const Result<int> outcome = std::visit(Run{}, std::get<Options>(parsed));
    if (!outcome) return fail(outcome.error());
    if (std::fflush(stdout) != 0 || std::ferror(stdout)) return fail(Error{"cannot write to standard output"});
    return *outcome;
}
