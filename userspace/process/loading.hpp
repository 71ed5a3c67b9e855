// The time between exec and a program's first instruction, when the dynamic loader maps its libraries.
#pragma once

#include <functional>
#include <optional>

#include "util/result.hpp"

namespace memtrace {

/// Runs process `pid`, our tracee held right after exec, up to its entry point: all libraries loaded and none of their code run. `mapped`
/// is called whenever new code was mapped, the program being held; its failure ends the loading early and is returned.
/// `options`: the ptrace options it has and gets back; until then its death follows ours, because a breakpoint stands in its code.
/// `ended`: its wait status when it ended meanwhile, which is no error.
Result<void> run_to_entry(int pid, long options, const std::function<Result<void>()>& mapped, std::optional<int>& ended);

}  // namespace memtrace
