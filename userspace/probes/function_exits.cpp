#include "probes/function_exits.hpp"

#include <algorithm>

namespace memtrace {
namespace {

constexpr std::size_t most_returns = 256;

// `leaves` is asked for jumps out of the function whether their ends are known.
FunctionExits find_exits(const ElfImage& image, std::uint64_t entry, std::uint64_t end,
                         const std::function<bool(CodeWalk&, const Instruction&)>& leaves) {
    FunctionExits exits;
    CodeWalk walk(image, entry, end);
    while (const auto step = walk.next()) {
        const Instruction& instruction = step->instruction;
        if (exits.returns.size() > most_returns) return {{}, false};
        switch (instruction.flow) {
            case ControlFlow::ret:
                if (instruction.probeable)
                    exits.returns.push_back(step->address);
                else
                    exits.all = false;
                break;
            case ControlFlow::branch:
            case ControlFlow::jump:
                if ((!instruction.target || !walk.go_to(*instruction.target)) && !leaves(walk, instruction)) exits.all = false;
                if (instruction.flow == ControlFlow::branch) walk.go_on(*step);
                break;
            case ControlFlow::stop: break;
            default: walk.go_on(*step);
        }
    }
    exits.all = exits.all && walk.complete();
    std::sort(exits.returns.begin(), exits.returns.end());
    return exits;
}

}  // namespace

FunctionExits exits_of(const ElfImage& image, std::uint64_t entry, std::uint64_t end) {
    return find_exits(image, entry, end, [](CodeWalk&, const Instruction&) { return false; });
}

FunctionExits exits_through(const ElfImage& image, std::uint64_t entry, std::uint64_t end,
                            const std::function<bool(const CodeTarget&)>& seen_to_return) {
    return find_exits(image, entry, end, [&](CodeWalk& walk, const Instruction& instruction) {
        const std::optional<CodeTarget> target = target_of(image, instruction);
        if (!target) return false;
        if (seen_to_return(*target)) return true;
        if (target->address != 0) return walk.enter(target->address);
        // The loader could prefer another file's; nobody replaces the inner functions of an allocator.
        const std::optional<ElfSymbol> own = image.find_symbol(target->import);
        return own && walk.enter(own->address);
    });
}

}  // namespace memtrace
