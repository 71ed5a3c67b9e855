#include "probes/forwarding.hpp"

#include <algorithm>
#include <array>

namespace memtrace {
namespace {

constexpr std::size_t longest_walk = 16;
constexpr std::size_t longest_instruction = 15;
// A library's operator new may be a call of a function of its own that is the loop around malloc.
constexpr unsigned deepest_call = 2;
// Instructions looked at in all of them: an operator new has some dozens.
constexpr std::size_t most_steps = 1U << 14;

bool returns_never(const CodeTarget& target) {
    static constexpr std::array names{"__cxa_throw",
                                      "__cxa_rethrow",
                                      "_Unwind_Resume",
                                      "__cxa_call_unexpected",
                                      "__cxa_throw_bad_array_new_length",
                                      "_ZSt17__throw_bad_allocv",
                                      "_ZSt9terminatev",
                                      "__stack_chk_fail",
                                      "abort"};
    return std::find(names.begin(), names.end(), target.import) != names.end();
}

// In a file that is linked statically functions have no imports, only names.
CodeTarget named(const ElfImage& image, CodeTarget target) {
    if (target.import.empty() && target.address != 0) target.import = image.describe(target.address).value_or("");
    return target;
}

bool calls_on_each_way(const ElfImage& image, std::uint64_t entry, const IsHooked& hooked, unsigned deeper, std::size_t& steps_left) {
    const auto bounds = image.function_bounds(entry);
    if (!bounds) return false;
    CodeWalk walk(image, entry, bounds->second);
    bool called = false;
    while (const auto step = walk.next()) {
        if (steps_left == 0) return false;
        --steps_left;
        const Instruction& instruction = step->instruction;
        const std::optional<CodeTarget> target = instruction.flow == ControlFlow::call || instruction.flow == ControlFlow::jump
                                                     ? target_of(image, instruction)
                                                     : std::nullopt;
        switch (instruction.flow) {
            case ControlFlow::ret: return false;
            case ControlFlow::stop: break;
            case ControlFlow::call: {
                if (target && returns_never(named(image, *target))) break;
                const bool passes = target && (hooked(*target) || (deeper > 0 && target->address != 0 &&
                                                                   calls_on_each_way(image, target->address, hooked, deeper - 1, steps_left)));
                called = called || passes;
                if (!passes) walk.go_on(*step);
                break;
            }
            case ControlFlow::jump:
                if (target && hooked(*target))
                    called = true;
                else if (!instruction.target || !walk.enter(*instruction.target))
                    return false;
                break;
            case ControlFlow::branch:
                if (!instruction.target || !walk.enter(*instruction.target)) return false;
                walk.go_on(*step);
                break;
            default: walk.go_on(*step);
        }
    }
    return called && walk.complete();
}

}  // namespace

bool jumps_on(const ElfImage& image, std::uint64_t entry, const IsHooked& hooked, Request request) {
    constexpr RegisterNumber first_argument = argument_registers[0];
    RegisterSet untouched = 1U << stack_pointer | 1U << first_argument;
    if (request == Request::allocation)
        for (const RegisterNumber argument : argument_registers) untouched = static_cast<RegisterSet>(untouched | 1U << argument);
    std::uint64_t address = entry;
    bool null_tested = false;
    for (std::size_t i = 0; i < longest_walk; ++i) {
        const auto instruction = decode(image.bytes_at(address, longest_instruction), address);
        if (!instruction) return false;
        if (instruction->flow == ControlFlow::jump) {
            const std::optional<CodeTarget> target = target_of(image, *instruction);
            if (!target) return false;
            if (hooked(*target)) return true;
            if (target->address == 0) return false;
            address = target->address;
            continue;
        }
        if (instruction->flow == ControlFlow::branch) {
            if (!instruction->branches_if_zero || !null_tested || request == Request::allocation) return false;
        } else if (instruction->flow != ControlFlow::next || (instruction->registers_written & untouched) != 0) {
            return false;
        }
        if (instruction->writes_flags) null_tested = instruction->zero_test == first_argument;
        address += instruction->length;
    }
    return false;
}

bool always_calls(const ElfImage& image, std::uint64_t entry, const IsHooked& hooked) {
    std::size_t steps_left = most_steps;
    return calls_on_each_way(image, entry, hooked, deepest_call, steps_left);
}

bool may_call(const ElfImage& image, std::uint64_t entry, const IsHooked& hooked) {
    const auto bounds = image.function_bounds(entry);
    if (!bounds) return true;
    CodeWalk walk(image, entry, bounds->second);
    while (const auto step = walk.next()) {
        const Instruction& instruction = step->instruction;
        if (instruction.flow == ControlFlow::call || instruction.flow == ControlFlow::jump) {
            const std::optional<CodeTarget> target = target_of(image, instruction);
            if (target && hooked(*target)) return true;
        }
        if (instruction.target && (instruction.flow == ControlFlow::branch || instruction.flow == ControlFlow::jump))
            (void)walk.go_to(*instruction.target);
        if (instruction.flow != ControlFlow::ret && instruction.flow != ControlFlow::stop && instruction.flow != ControlFlow::jump) walk.go_on(*step);
    }
    return false;
}

}  // namespace memtrace
