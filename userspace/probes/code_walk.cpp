#include "probes/code_walk.hpp"

#include <algorithm>

namespace memtrace {
namespace {

constexpr std::size_t longest_instruction = 15;
constexpr std::size_t most_instructions = 1U << 16;  // of one function; generated ones may be longer
constexpr std::size_t most_parts = 64;
// endbr64, and the jump.
constexpr std::size_t longest_linkage = 2;

std::optional<Instruction> instruction_at(const ElfImage& image, std::uint64_t address) {
    // At the end of a segment there are fewer bytes than the longest instruction has.
    for (std::size_t size = longest_instruction; size > 0; --size)
        if (const auto bytes = image.bytes_at(address, size); !bytes.empty()) return decode(bytes, address);
    return std::nullopt;
}

}  // namespace

CodeWalk::CodeWalk(const ElfImage& image, std::uint64_t entry, std::uint64_t end)
    : image_(image), name_(image.describe(entry).value_or("")), parts_{{entry, end}}, ahead_{entry} {}

std::optional<CodeWalk::Step> CodeWalk::next() {
    while (!ahead_.empty()) {
        const std::uint64_t address = ahead_.back();
        ahead_.pop_back();
        if (!seen_.insert(address).second) continue;
        const auto instruction = seen_.size() > most_instructions ? std::nullopt : instruction_at(image_, address);
        if (instruction) return Step{address, *instruction};
        complete_ = false;
    }
    return std::nullopt;
}

bool CodeWalk::known(std::uint64_t address) const {
    return std::any_of(parts_.begin(), parts_.end(), [&](const Range& part) { return part.contains(address); });
}

void CodeWalk::go_on(const Step& step) {
    const std::uint64_t behind = step.address + step.instruction.length;
    if (known(behind)) ahead_.push_back(behind);
}

bool CodeWalk::go_to(std::uint64_t target) {
    if (known(target)) {
        ahead_.push_back(target);
        return true;
    }
    const auto described = image_.describe(target);
    if (name_.empty() || !described || !described->starts_with(name_ + ".") || described->find(".cold") == std::string::npos) return false;
    return enter(target);
}

bool CodeWalk::enter(std::uint64_t target) {
    if (!known(target)) {
        const auto bounds = image_.function_bounds(target);
        if (!bounds || parts_.size() >= most_parts) return false;
        parts_.push_back({bounds->first, bounds->second});
    }
    ahead_.push_back(target);
    return true;
}

std::optional<CodeTarget> target_of(const ElfImage& image, const Instruction& instruction) {
    const auto through = [&](std::uint64_t slot) -> std::optional<CodeTarget> {
        std::optional<std::string> import = image.import_at(slot);
        if (!import) return std::nullopt;
        return CodeTarget{0, *std::move(import)};
    };
    if (!instruction.target) return instruction.operand_address ? through(*instruction.operand_address) : std::nullopt;
    std::uint64_t address = *instruction.target;
    for (std::size_t i = 0; i < longest_linkage; ++i) {
        const auto there = instruction_at(image, address);
        if (!there) break;
        if (there->flow == ControlFlow::jump && !there->target && there->operand_address) {
            if (auto found = through(*there->operand_address)) return found;
            break;
        }
        if (there->flow != ControlFlow::next || there->registers_written != 0 || there->writes_flags) break;
        address += there->length;
    }
    return CodeTarget{*instruction.target, {}};
}

}  // namespace memtrace
