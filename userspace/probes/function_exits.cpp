#include "probes/function_exits.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "probes/decode.hpp"

namespace memtrace {
namespace {

constexpr std::size_t longest_instruction = 15;
constexpr std::size_t most_instructions = 1U << 16;  // of one function; generated ones may be longer
constexpr std::size_t most_returns = 256;

struct Range {
    std::uint64_t begin = 0, end = 0;
    [[nodiscard]] bool contains(std::uint64_t at) const { return at >= begin && at < end; }
};

// The part of the function that the compiler has laid elsewhere ("f.cold", "f.part.0.cold") and that contains `address`.
std::optional<Range> cold_part(const ElfImage& image, const std::string& name, std::uint64_t address) {
    const auto described = image.describe(address);
    if (name.empty() || !described || !described->starts_with(name + ".") || described->find(".cold") == std::string::npos) return std::nullopt;
    const auto bounds = image.function_bounds(address);
    if (!bounds) return std::nullopt;
    return Range{bounds->first, bounds->second};
}

}  // namespace

FunctionExits exits_of(const ElfImage& image, std::uint64_t entry, std::uint64_t end) {
    FunctionExits exits;
    const std::string name = image.describe(entry).value_or("");
    std::vector<Range> parts{{entry, end}};
    std::vector<std::uint64_t> ahead{entry};
    std::set<std::uint64_t> seen;
    const auto go_to = [&](std::uint64_t target) {
        if (std::any_of(parts.begin(), parts.end(), [&](const Range& part) { return part.contains(target); })) return ahead.push_back(target);
        if (const std::optional<Range> cold = cold_part(image, name, target)) {
            parts.push_back(*cold);
            return ahead.push_back(target);
        }
        exits.all = false;
    };
    while (!ahead.empty()) {
        const std::uint64_t address = ahead.back();
        ahead.pop_back();
        if (!seen.insert(address).second) continue;
        if (seen.size() > most_instructions || exits.returns.size() > most_returns) return {{}, false};
        const auto instruction = decode(image.bytes_at(address, longest_instruction), address);
        if (!instruction) {
            exits.all = false;
            continue;
        }
        const bool goes_on = instruction->flow == ControlFlow::next || instruction->flow == ControlFlow::call ||
                             instruction->flow == ControlFlow::system_call || instruction->flow == ControlFlow::branch;
        if (instruction->flow == ControlFlow::ret) {
            if (instruction->probeable)
                exits.returns.push_back(address);
            else
                exits.all = false;
        }
        if (instruction->flow == ControlFlow::branch || instruction->flow == ControlFlow::jump) {
            if (instruction->target)
                go_to(*instruction->target);
            else
                exits.all = false;
        }
        // Behind a call that does not return another function may begin: it is not this one's business.
        const std::uint64_t next = address + instruction->length;
        if (goes_on && std::any_of(parts.begin(), parts.end(), [&](const Range& part) { return part.contains(next); })) ahead.push_back(next);
    }
    std::sort(exits.returns.begin(), exits.returns.end());
    return exits;
}

}  // namespace memtrace
