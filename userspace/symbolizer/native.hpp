// Names for native addresses of a live target: function, source file and line through libdw (separate debug files by
// build-id and .gnu_debuglink), else symbol+offset, else file+offset.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "util/result.hpp"

namespace memtrace {

class Debuginfod;

struct NativeLocation {
    /// Source file, absolute where the debug information tells; without it the object file's name ("libc.so.6"), "[vdso]",
    /// "[anon]" …; "[unmapped]" when no code is mapped there.
    std::string file;
    std::uint32_t line = 0;  ///< 0 without debug information.
    /// Demangled, the innermost inlined one (without scope and arguments where the debug information has no more);
    /// "symbol+0x1f" when there is no line; "0x1234" (file offset) without a symbol.
    std::string function;
    std::string module;     ///< Path of the object file as the target knows it, or `file` where there is none.
    bool resolved = false;  ///< A source line or at least a symbol was found.
    bool operator==(const NativeLocation&) const = default;
};

/// Resolves return addresses of one process, on one thread. Reads the mappings when made and again when an address is in
/// none of them (ever more rarely while that finds nothing new). Object files are opened when first needed; the most
/// recently used stay open, at most eight with debug information and about 40 MiB of memory; the last 98 304 results (calls, inlined ones
/// included) are cached. Code without a file is named by the target's perf-PID.map where a JIT writes one. The target may end meanwhile: the files of
/// the first 256 mapped objects are held, so that what was mapped at the last reading stays resolvable, even deleted. Uses the network only by
/// `servers`, and never waits for it.
class NativeSymbolizer {
public:
    /// `servers`: where debug files come from that are not on this machine; null: from nowhere. Must outlive it.
    explicit NativeSymbolizer(int pid, Debuginfod* servers = nullptr);
    ~NativeSymbolizer();
    NativeSymbolizer(NativeSymbolizer&&) noexcept;
    NativeSymbolizer& operator=(NativeSymbolizer&&) noexcept;

    /// `return_address`: where a call returns to; the line is the call's (looked up one byte before). The result is valid
    /// until the next call of a member.
    const NativeLocation& resolve(std::uint64_t return_address) { return resolve_all(return_address).front(); }
    /// The same with the functions that the innermost one was inlined into: each with the line of its call, the one that is really there last.
    /// Never empty.
    std::span<const NativeLocation> resolve_all(std::uint64_t return_address);
    /// Resolves many addresses into the cache, file by file: a mixed list would open and close big files in turn.
    void prepare(std::span<const std::uint64_t> return_addresses);
    /// Closes the object files and gives their memory back; what has been resolved stays cached. For the quiet time
    /// after a burst of new stacks.
    void release();
    /// Forgets what has been resolved, too: new debug files have come.
    void forget();
    /// Reads the mappings now, e.g. while the target still lives, and holds their files. What is no longer mapped stays
    /// known until something else takes its place. Fails when the process has ended or may not be read.
    Result<void> refresh();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace memtrace
