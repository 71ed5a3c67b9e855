// Everything that will be done to a target, decided before anything is done: which functions are hooked, at which
// instruction, at what cost; which pointers are redirected. `memtrace-bpf probes` prints it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "memtrace.h"
#include "probes/modules.hpp"
#include "probes/planner.hpp"

namespace memtrace {

struct PlannedProbe {
    std::string hook;  ///< "malloc", "obj.malloc", "mem/obj.free" where domains share a function.
    mt_domain domain = MT_DOMAIN_MALLOC;
    mt_shape shape = MT_SHAPE_ALLOC;
    unsigned first_argument = 0;  ///< 1 where a ctx argument comes first.
    unsigned interpreter = 0;     ///< Index into Plan::pythons of whose allocator it is.
    bool domain_by_ctx = false;   ///< The ctx argument tells which domain was asked.
    std::string file;             ///< As the target sees it.
    std::string attach_path;
    std::uint64_t device = 0;  ///< With the inode: which file that is, whatever lies at its path later.
    std::uint64_t inode = 0;
    std::uint64_t offset = 0;  ///< Of the instruction in the file.
    std::string symbol;        ///< "free+9".
    ProbeSite site;
    bool at_exits = false;             ///< Its end is seen at the instructions at `exits`, not by a return probe.
    std::vector<std::uint64_t> exits;  ///< Offsets in the file of all its returns.
    std::string redirect;              ///< How the table's pointer was turned to this probe; empty when it was not.
};

/// One pointer of the target that will hold `target` instead of `original`: an address with the same meaning, or a ctx that the
/// functions ignore.
struct PlannedRedirect {
    std::string name;         ///< "obj.malloc", "mem.ctx".
    std::uint64_t slot = 0;   ///< Address of the pointer.
    std::uint64_t found = 0;  ///< What it held when this was planned: the original, or what an earlier tracer left there.
    std::uint64_t original = 0;
    std::uint64_t target = 0;
};

/// One word of an allocator table, and how its calls come to be seen.
struct PlannedEntry {
    std::string name;           ///< "obj.malloc", "mem.ctx".
    std::uint64_t slot = 0;     ///< Its address.
    std::uint64_t meaning = 0;  ///< The function it stands for (or the ctx).
    std::uint64_t during = 0;   ///< What it holds while we trace.
    std::string how;            ///< "jmp elsewhere", "no inlined copies: nothing to redirect".
};

/// A CPython of the process.
struct PlannedPython {
    std::string version;  ///< "3.11.2".
    std::string file;
    mt_python python{};
    std::vector<PlannedEntry> entries;
};

struct Plan {
    std::vector<PlannedProbe> probes;  ///< Releases first: attached in this order, nothing counted is ever freed unseen.
    std::vector<PlannedRedirect> redirects;
    std::vector<mt_wrapper_call> wrapper_calls;  ///< Addresses in the target.
    std::vector<PlannedPython> pythons;          ///< At most MT_MAX_INTERPRETERS.
    std::vector<std::string> notes;              ///< What will not be seen, and what was found unusual.
};

bool needs_return(mt_shape shape);
bool is_free(mt_shape shape);
const char* domain_name(unsigned domain);
/// "emulated", "single-stepped", and how its end is seen where that is not a return probe.
std::string method_of(const PlannedProbe& probe);

struct HeapOptions {
    std::vector<std::string> prefixes;        ///< Of allocators' names: --allocator-prefix.
    std::vector<std::uint64_t> search_order;  ///< Biases of modules as the dynamic loader looks through them; others come last.
};

/// Adds the heaps of all modules: the C library's, other allocators', operator new and delete. Error when no module defines an allocator.
Result<void> plan_heaps(const std::vector<Module>& modules, const HeapOptions& options, const ProbeCosts& costs, Plan& plan);

/// Adds the calls in functions that only pass requests on (MT_WRAPPERS).
void plan_wrappers(const std::vector<Module>& modules, Plan& plan);

/// Adds a probe unless one stands there already (aliases). `hook` names the function at link-time address `entry`.
void add_probe(Plan& plan, const Module& module, PlannedProbe probe, std::uint64_t entry);

/// What the shape needs at its probe.
ProbeRequest request_for(const Module& module, std::uint64_t entry, mt_shape shape, unsigned first_argument);

/// "malloc+4": where `address` lies in the function `name` that begins at `entry`.
std::string relative_name(const std::string& name, std::uint64_t entry, std::uint64_t address);

}  // namespace memtrace
