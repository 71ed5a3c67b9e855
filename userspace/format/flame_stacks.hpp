// The stacks of a flame graph, before they are written in one format or another.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/snapshot.hpp"
#include "model/stack.hpp"

namespace memtrace {

struct FlameFrame {
    std::string name;  ///< Printable.
    std::string file;  ///< Printable; empty: none (processes, threads).
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    bool operator==(const FlameFrame&) const = default;
};

struct FlameWeight {
    std::uint64_t bytes = 0;
    std::uint64_t blocks = 0;
};

struct FlameStacks {
    std::vector<FlameFrame> frames;
    std::map<std::vector<std::uint32_t>, FlameWeight> stacks;  ///< Indexes of frames, outermost first.
};

/// Live memory of the snapshot. Sites of one stack are added up.
FlameStacks flame_stacks(const Snapshot& snapshot, Lines lines);

}  // namespace memtrace
