// Where an interpreter keeps each thread's running PyThreadState, from 3.12 on: a thread-local variable without a public name.
// The code of PyThreadState_Get, which returns it, tells.
#pragma once

#include <cstdint>
#include <vector>

#include "probes/modules.hpp"
#include "process/target.hpp"
#include "util/result.hpp"

namespace memtrace {

/// A thread-local variable (System V ABI, Elf handling for thread-local storage).
struct ThreadLocal {
    std::int64_t offset = 0;   ///< From the thread pointer, or in the module's block.
    std::uint32_t module = 0;  ///< 0: static; else its number in the thread's vector of blocks.
    std::uint32_t stride = 0;  ///< Bytes of an entry of that vector: 16 with glibc, 8 with musl.
    bool operator==(const ThreadLocal&) const = default;
};

/// The variable that PyThreadState_Get of `python` returns. Error: its code is none of the forms compilers make of it.
Result<ThreadLocal> thread_local_of(const Target& target, const std::vector<Module>& modules, const Module& python);

}  // namespace memtrace
