// The object files that a process executes code from, each opened once through the kernel's own mapping link.
#pragma once

#include <string>
#include <vector>

#include "probes/elf_image.hpp"
#include "process/maps.hpp"
#include "util/result.hpp"

namespace memtrace {

/// One mapped object file. Address in the target = link-time address + bias.
struct Module {
    std::string path;         ///< As the target sees it.
    std::string attach_path;  ///< Opens the very file that is mapped, whatever lies at `path` by now.
    std::uint64_t bias = 0;
    std::vector<Mapping> mappings;  ///< Its executable ones.
    ElfImage image;

    [[nodiscard]] bool contains(std::uint64_t address) const;
};

/// Brings `modules` up to date with what the process maps now: known files keep their open image, unmapped ones go, new ones are
/// opened. A file that is no x86-64 ELF is left out (data may be mapped executable); why goes to `skipped`.
Result<void> refresh_modules(int pid, std::vector<Module>& modules, std::vector<std::string>& skipped);

/// The module whose executable mappings contain `address`, or nullptr.
const Module* find_module(const std::vector<Module>& modules, std::uint64_t address);

}  // namespace memtrace
