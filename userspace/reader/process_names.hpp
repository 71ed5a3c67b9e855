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
    explicit ProcessNames(int pid);
    /// Of a child that `parent` has just forked.
    ProcessNames(int pid, const ProcessNames& parent);

    /// As NativeSymbolizer's.
    const NativeLocation& resolve(std::uint64_t return_address);
    void prepare(std::span<const std::uint64_t> return_addresses);
    void release();
    /// The process has mapped other code: what is there now has the names of now.
    void code_changed();

private:
    struct Program {
        int pid = 0;
        std::vector<Mapping> code;
        NativeSymbolizer symbolizer;
        explicit Program(int of) : pid(of), symbolizer(of) {}
    };
    NativeSymbolizer& symbolizer_of(std::uint64_t return_address);

    int pid_;
    std::shared_ptr<Program> inherited_;  ///< None: it is of its own.
    std::shared_ptr<Program> own_;        ///< Made when needed.
    std::vector<Mapping> code_;           ///< Executable mappings when last looked at, by address.
    unsigned misses_ = 0;
};

}  // namespace memtrace
