// The beginning of a program's life: between exec and its first instruction, when the dynamic loader maps its libraries; and its
// first moments, when it may set up allocators of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "util/result.hpp"

namespace memtrace {

/// Runs process `pid`, our tracee held right after exec, up to its entry point: all libraries loaded and none of their code run. `mapped`
/// is called whenever new code was mapped, the program being held; its failure ends the loading early and is returned.
/// `options`: the ptrace options it has and gets back; until then its death follows ours, because a breakpoint stands in its code.
/// `ended`: its wait status when it ended or executed another program meanwhile, which is no error.
Result<void> run_to_entry(int pid, long options, const std::function<Result<void>()>& mapped, std::optional<int>& ended);

/// Lets process `pid`, our held tracee, run through its first moments: until nothing has been stored to the 8 aligned bytes at `word` for
/// a while, at most a third of a second. `stored` is called right after each store, the process being held. In the end it is held
/// again. Until then its death follows ours, because a debug register is set. Without debug registers nothing is done.
/// `stop`: the wait status with which it ended or stopped for something else, to be handled by the caller; nothing: held by us.
void run_through_setup(int pid, long options, std::uint64_t word, const std::function<void()>& stored, std::optional<int>& stop);

}  // namespace memtrace
