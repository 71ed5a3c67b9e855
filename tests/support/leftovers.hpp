// What a tracer must not leave behind: BPF programs and maps, files of its own, and breakpoints in the target's code.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>

namespace memtrace::test {

/// Everything of ours the system holds at one moment, by kind and name; what others have is left out.
class Leftovers {
public:
    /// Taken before a tracer runs; needs root.
    static Leftovers now();
    /// What came since, one a line.
    [[nodiscard]] std::string new_things() const;
    /// Requires that all that came since goes: the kernel frees some things a moment after their owner's end, and other tracers may
    /// be running meanwhile.
    void require_nothing_new() const;
    /// What alone a tracer may leave that is killed by SIGKILL, taken away: its socket's names, which its next trace would replace.
    void remove_new_dead_sockets() const;

private:
    std::set<std::string> things_;
};

/// A hash over all code the process has mapped from files, as it stands in its memory: equal means no breakpoint was left in it.
std::uint64_t code_hash(pid_t pid);
/// Requires that the code becomes `hash` again.
void require_code(pid_t pid, std::uint64_t hash);

}  // namespace memtrace::test
