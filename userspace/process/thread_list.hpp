// Who is there: threads of a process, processes below a process, as /proc lists them at this moment.
#pragma once

#include <optional>
#include <vector>

#include "util/result.hpp"

namespace memtrace {

std::vector<int> list_threads(int pid);
/// Children, their children and so on, parents before their children.
std::vector<int> descendants_of(int pid);
/// The process that thread `tid` belongs to; nothing when it has ended.
std::optional<int> process_of(int tid);
/// Whose tracee a thread is; 0: nobody's, or it has ended.
int tracer_of(int tid);
/// A thread that waits in the kernel for a device or a vfork child runs no code of its own, and one that has ended none any more:
/// neither reads a pointer just now, and neither would stop.
bool needs_no_stop(int pid, int tid);

/// Whether none of them runs, or would when what it waits for comes: all are held by a tracer, or have ended.
bool all_threads_stand(int pid);
/// Why PTRACE_SEIZE failed with `code`, and what to do.
Error cannot_seize(int pid, int tid, int code);

}  // namespace memtrace
