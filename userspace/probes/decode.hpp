// One x86-64 instruction, seen with the eyes of the probe planner: what the kernel does when it is probed, where control
// goes next, and which registers no longer hold what the caller put there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace memtrace {

/// Instruction kinds whose probe cost differs; every one but `other` may be emulated, which calibration decides.
/// The encodings are those of arch/x86/kernel/uprobes.c: `nop` is 90 with at most size prefixes, `nop5` exactly
/// 0f 1f 44 00 00 within a page, `push` a 64-bit register, the rest direct and without prefixes.
enum class InstructionKind : std::uint8_t { nop, nop5, push, jump, call, branch, other };
inline constexpr std::size_t instruction_kind_count = 7;
std::string_view name_of(InstructionKind kind);

/// Where control goes after an instruction.
enum class ControlFlow : std::uint8_t {
    next,    ///< Always the following instruction.
    branch,  ///< The following one or `target`.
    jump,    ///< Never the following one.
    call,    ///< Elsewhere, and perhaps back.
    ret,
    system_call,  ///< The following one, after the kernel acted.
    stop,         ///< A trap: int3, ud2, hlt.
};

/// Registers are numbered as the processor does: rax rcx rdx rbx rsp rbp rsi rdi r8 … r15.
using RegisterNumber = unsigned;
using RegisterSet = std::uint16_t;
inline constexpr RegisterNumber stack_pointer = 4;
/// The integer arguments 0 … 5 of the System V ABI.
inline constexpr RegisterNumber argument_registers[] = {7, 6, 2, 1, 8, 9};

/// [base + displacement], where base may be missing and is the thread pointer's segment if `thread_local_` says so.
struct MemoryOperand {
    std::optional<RegisterNumber> base = {};
    std::int64_t displacement = 0;
    bool thread_local_ = false;  ///< In the fs segment: counted from the thread pointer.
    bool operator==(const MemoryOperand&) const = default;
};

struct Instruction {
    std::size_t length = 0;  ///< Bytes, 1 to 15.
    InstructionKind kind = InstructionKind::other;
    ControlFlow flow = ControlFlow::next;
    std::optional<std::uint64_t> target = {};                            ///< Of a direct branch, jump or call.
    std::optional<std::uint64_t> operand_address = {};                   ///< Of a memory operand that is rip-relative or absolute.
    std::optional<std::uint64_t> immediate = {};                         ///< Of its last operand, unless that is a branch's.
    std::optional<MemoryOperand> memory = {};                            ///< Any other memory operand without an index.
    RegisterSet registers_written = 0;                                   ///< Bit per register, partial and implicit writes included.
    std::optional<std::int64_t> stack_change = 0;                        ///< What is added to rsp; nothing when it cannot be told.
    std::optional<RegisterNumber> zero_test = {};                        ///< `test r,r` or `cmp r,0` of a whole register: ZF tells whether it is 0.
    std::optional<std::pair<RegisterNumber, RegisterNumber>> copy = {};  ///< `mov to, from` of whole registers.
    bool writes_flags = false;
    bool compares = false;          ///< cmp.
    bool branches_if_zero = false;  ///< je/jz.
    bool does_nothing = false;      ///< Any nop, of any length.
    bool probeable = true;          ///< False where the kernel refuses a uprobe (ENOTSUPP), whatever the method.
    bool operator==(const Instruction&) const = default;
};

/// The instruction at the start of `bytes`, which lie at `address`. Nothing when they are no instruction or too short.
std::optional<Instruction> decode(std::span<const std::byte> bytes, std::uint64_t address);
/// Only the length of that instruction, several times quicker; 0 when there is none.
std::size_t decode_length(std::span<const std::byte> bytes);
/// Intel syntax, "push rbp"; "(bad)" when there is no instruction.
std::string disassemble(std::span<const std::byte> bytes, std::uint64_t address);

}  // namespace memtrace
