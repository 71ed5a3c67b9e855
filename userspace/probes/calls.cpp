// Calls in small functions: where they return to, and how deep the stack is there.
#include <algorithm>

#include "probes/decode.hpp"
#include "probes/planner.hpp"

namespace memtrace {
namespace {

// Wrappers are a dozen instructions before their call.
constexpr std::size_t longest_walk = 64;
constexpr std::size_t longest_instruction = 15;

}  // namespace

std::vector<CallSite> calls_of(const ElfImage& image, std::uint64_t entry, std::uint64_t end) {
    std::vector<CallSite> calls;
    std::int64_t depth = 0;
    std::uint64_t address = entry;
    for (std::size_t i = 0; i < longest_walk && address < end; ++i) {
        const auto instruction = decode(image.bytes_at(address, std::min<std::uint64_t>(longest_instruction, end - address)), address);
        if (!instruction) break;
        address += instruction->length;
        if (instruction->flow == ControlFlow::call) {
            calls.push_back({address, static_cast<std::uint64_t>(depth)});
            continue;  // it returns with the stack pointer it was called with
        }
        if (instruction->flow != ControlFlow::next && instruction->flow != ControlFlow::branch) break;
        if (!instruction->stack_change) break;
        depth -= *instruction->stack_change;
        if (depth < 0) break;
    }
    return calls;
}

}  // namespace memtrace
