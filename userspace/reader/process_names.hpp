// Names for the native addresses of one process. A forked child has its parent's code at its parent's addresses: what is the same in both
// is looked up once, in the parent's; what the child has mapped since, in its own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "process/maps.hpp"
#include "symbolizer/native.hpp"

namespace memtrace {

class ProcessNames {
public:
    /// Of a program of its own.
    explicit ProcessNames(int pid, Debuginfod* servers);
    /// Of a child that `parent` has just forked.
    ProcessNames(int pid, const ProcessNames& parent);

    /// As NativeSymbolizer's resolve_all() and others.
    std::span<const NativeLocation> resolve(std::uint64_t return_address);
    void prepare(std::span<const std::uint64_t> return_addresses);
    void release();
    /// New debug files have come: names may be others.
    void forget();
    /// The process has mapped other code: what is there now has the names of now.
    void code_changed();

private:
    struct Program {
        int pid = 0;
        std::vector<Mapping> code;
        NativeSymbolizer symbolizer;
        Program(int of, Debuginfod* servers) : pid(of), symbolizer(of, servers) {}
    };
    NativeSymbolizer& symbolizer_of(std::uint64_t return_address);

    int pid_;
    Debuginfod* servers_;
    std::shared_ptr<Program> inherited_;  ///< None: it is of its own.
    std::shared_ptr<Program> own_;        ///< Made when needed.
    std::vector<Mapping> code_;           ///< Executable mappings when last looked at, by address.
    unsigned misses_ = 0;
};

}  // namespace memtrace
