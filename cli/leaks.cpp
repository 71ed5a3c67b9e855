// `leaks`: a trace that shows stacks and what they have not freed; or the same of a snapshot.
#include <cstdio>

#include "commands.hpp"
#include "format/pprof.hpp"
#include "leaks_view.hpp"
#include "remarks.hpp"

namespace memtrace::cli {

Result<int> leaks(const LeaksOptions& options) {
    if (options.file.empty()) return trace(options.trace);
    const Result<Snapshot> snapshot = read_snapshot(options.file);
    if (!snapshot) return snapshot.error();
    const ViewOptions& view = options.trace.view;
    if (!snapshot->has_blocks)
        return Error{options.file + ": the ages of single blocks are not known", "snapshots of newer versions have them, checkpoints too"};
    if (Result<void> sense = check(view, *snapshot); !sense) return Error(sense.error()).in(options.file);
    const Terminal terminal = Terminal::of(stdout, view.colour);
    std::fputs(render_leaks(*snapshot, std::nullopt, {*options.trace.leaks, view}, terminal).c_str(), stdout);
    remark_on_filters(view, {&*snapshot, 1});
    return 0;
}

}  // namespace memtrace::cli
