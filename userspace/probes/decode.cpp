// Instruction decoding for the probe planner: Zydis tells the semantics, the raw bytes what the kernel's uprobe code makes of it.
#include "probes/decode.hpp"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace memtrace {
namespace {

struct Decoded {
    ZydisDecodedInstruction instruction;
    std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;
};

ZydisDecoder make_decoder(bool minimal) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MINIMAL, minimal);
    return decoder;
}

// DecodeInstruction and DecodeOperands apart: ZydisDecoderDecodeFull changed its signature between 4.0 releases.
bool decode_fully(std::span<const std::byte> bytes, Decoded& out) {
    static const ZydisDecoder decoder = make_decoder(false);
    ZydisDecoderContext context;
    return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, &context, bytes.data(), bytes.size(), &out.instruction)) &&
           ZYAN_SUCCESS(ZydisDecoderDecodeOperands(&decoder, &context, &out.instruction, out.operands.data(), out.instruction.operand_count));
}

// The encoding, taken apart as the kernel does.
struct Encoding {
    bool size_prefix = false;     // 66
    bool repeat_prefix = false;   // f2, f3 (also bnd)
    bool refused_prefix = false;  // es, cs, ss, ds (also notrack and branch hints), lock
    std::uint8_t rex = 0;
    std::span<const std::byte> opcode;
};

Encoding take_apart(std::span<const std::byte> bytes) {
    Encoding encoding;
    std::size_t at = 0;
    for (; at < bytes.size(); ++at) {
        const auto byte = std::to_integer<std::uint8_t>(bytes[at]);
        if (byte == 0x66)
            encoding.size_prefix = true;
        else if (byte == 0xf2 || byte == 0xf3)
            encoding.repeat_prefix = true;
        else if (byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0xf0)
            encoding.refused_prefix = true;
        else if (byte != 0x64 && byte != 0x65 && byte != 0x67)
            break;
    }
    if (at < bytes.size() && (bytes[at] & std::byte{0xf0}) == std::byte{0x40}) {
        encoding.rex = std::to_integer<std::uint8_t>(bytes[at++]);
    }
    encoding.opcode = bytes.subspan(at);
    return encoding;
}

std::uint8_t byte_of(std::span<const std::byte> bytes, std::size_t index) {
    return index < bytes.size() ? std::to_integer<std::uint8_t>(bytes[index]) : std::uint8_t{0};
}

bool is_direct_branch(std::uint8_t first, std::uint8_t second) {
    return (first >= 0x70 && first <= 0x7f) || (first == 0x0f && second >= 0x80 && second <= 0x8f);
}

bool stays_on_page(std::uint64_t address, std::size_t length) { return (address & 0xfff) + length <= 0x1000; }

// Mirrors branch_setup_xol_ops() and push_setup_xol_ops().
InstructionKind kind_of(const Encoding& encoding, std::span<const std::byte> bytes, std::uint64_t address) {
    static constexpr std::uint8_t nop5[] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
    // Only a nop that one store can replace is turned into a call.
    if (bytes.size() == sizeof nop5 && std::memcmp(bytes.data(), nop5, sizeof nop5) == 0) {
        return stays_on_page(address, bytes.size()) ? InstructionKind::nop5 : InstructionKind::other;
    }
    if (encoding.refused_prefix || encoding.repeat_prefix) return InstructionKind::other;
    const std::uint8_t first = byte_of(encoding.opcode, 0);
    if (first == 0x90) return (encoding.rex & 1) == 0 ? InstructionKind::nop : InstructionKind::other;  // 41 90 is xchg r8, rax
    if (encoding.size_prefix) return InstructionKind::other;
    if (first >= 0x50 && first <= 0x57) {
        const bool plain = bytes.size() == 1 || (bytes.size() == 2 && encoding.rex == 0x41);
        return plain ? InstructionKind::push : InstructionKind::other;
    }
    if (encoding.rex != 0) return InstructionKind::other;
    if (first == 0xeb || first == 0xe9) return InstructionKind::jump;
    if (first == 0xe8) return InstructionKind::call;
    if (is_direct_branch(first, byte_of(encoding.opcode, 1))) return InstructionKind::branch;
    return InstructionKind::other;
}

// Mirrors validate_insn_64bits(): is_prefix_bad(), good_insns_64 and good_2byte_insns. Kernels differ about VEX, EVEX and
// three-byte opcodes and about system instructions; none is worth a probe, so what one of them refuses counts as refused.
bool kernel_accepts(const Encoding& encoding) {
    static constexpr std::uint8_t refused[] = {0x62, 0x6c, 0x6d, 0x6e, 0x6f, 0xc4, 0xc5, 0xcc, 0xcd, 0xce, 0xcf, 0xe4,
                                               0xe5, 0xe6, 0xe7, 0xec, 0xed, 0xee, 0xef, 0xf1, 0xf4, 0xfa, 0xfb};
    static constexpr std::uint8_t refused_after_0f[] = {0x00, 0x01, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0b, 0x30,
                                                        0x34, 0x35, 0x37, 0x38, 0x3a, 0x78, 0x79, 0xae};
    if (encoding.refused_prefix) return false;
    const std::uint8_t first = byte_of(encoding.opcode, 0);
    const std::uint8_t second = byte_of(encoding.opcode, 1);
    if (first == 0x0f && std::ranges::find(refused_after_0f, second) != std::end(refused_after_0f)) return false;
    if (std::ranges::find(refused, first) != std::end(refused)) return false;
    const bool relative = first == 0xe8 || first == 0xe9 || first == 0xeb || is_direct_branch(first, second);
    return !(relative && encoding.size_prefix);  // Intel and AMD disagree on those
}

ControlFlow flow_of(const ZydisDecodedInstruction& instruction) {
    switch (instruction.meta.category) {
        case ZYDIS_CATEGORY_COND_BR: return ControlFlow::branch;
        case ZYDIS_CATEGORY_UNCOND_BR: return ControlFlow::jump;
        case ZYDIS_CATEGORY_CALL: return ControlFlow::call;
        case ZYDIS_CATEGORY_RET:
        case ZYDIS_CATEGORY_SYSRET: return ControlFlow::ret;
        case ZYDIS_CATEGORY_SYSCALL: return ControlFlow::system_call;
        case ZYDIS_CATEGORY_INTERRUPT: return ControlFlow::stop;
        default: break;
    }
    switch (instruction.mnemonic) {
        case ZYDIS_MNEMONIC_HLT:
        case ZYDIS_MNEMONIC_UD0:
        case ZYDIS_MNEMONIC_UD1:
        case ZYDIS_MNEMONIC_UD2: return ControlFlow::stop;
        default: return ControlFlow::next;
    }
}

std::optional<RegisterNumber> general_register(ZydisRegister reg) {
    const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    if (ZydisRegisterGetClass(whole) != ZYDIS_REGCLASS_GPR64) return std::nullopt;
    return static_cast<RegisterNumber>(ZydisRegisterGetId(whole));
}

RegisterSet written_by(const Decoded& decoded) {
    RegisterSet written = 0;
    const auto add = [&](ZydisRegister reg) {
        if (const auto number = general_register(reg)) written = static_cast<RegisterSet>(written | 1u << *number);
    };
    for (std::size_t i = 0; i < decoded.instruction.operand_count; ++i) {
        const ZydisDecodedOperand& operand = decoded.operands[i];
        const bool write = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
        if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER && write) add(operand.reg.value);
        // String instructions move their pointers, which Zydis shows only as the addresses of hidden operands.
        if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && decoded.instruction.meta.category == ZYDIS_CATEGORY_STRINGOP) {
            add(operand.mem.base);
        }
    }
    return written;
}

bool is_register(const ZydisDecodedOperand& operand, ZydisRegister reg) {
    return operand.type == ZYDIS_OPERAND_TYPE_REGISTER && operand.reg.value == reg;
}

bool is_immediate(const ZydisDecodedOperand& operand) { return operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE; }

std::optional<std::uint64_t> fixed_operand(const Decoded& decoded, std::uint64_t address) {
    for (std::size_t i = 0; i < decoded.instruction.operand_count_visible; ++i) {
        const ZydisDecodedOperand& operand = decoded.operands[i];
        if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || operand.mem.index != ZYDIS_REGISTER_NONE) continue;
        if (operand.mem.segment == ZYDIS_REGISTER_FS || operand.mem.segment == ZYDIS_REGISTER_GS) continue;
        if (operand.mem.base == ZYDIS_REGISTER_NONE && operand.mem.disp.has_displacement) return static_cast<std::uint64_t>(operand.mem.disp.value);
        if (operand.mem.base != ZYDIS_REGISTER_RIP) continue;
        return address + decoded.instruction.length + static_cast<std::uint64_t>(operand.mem.disp.value);
    }
    return std::nullopt;
}

std::optional<MemoryOperand> memory_operand(const Decoded& decoded) {
    for (std::size_t i = 0; i < decoded.instruction.operand_count_visible; ++i) {
        const ZydisDecodedOperand& operand = decoded.operands[i];
        if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || operand.mem.index != ZYDIS_REGISTER_NONE) continue;
        if (operand.mem.segment == ZYDIS_REGISTER_GS || operand.mem.base == ZYDIS_REGISTER_RIP) continue;
        MemoryOperand memory{general_register(operand.mem.base), operand.mem.disp.value, operand.mem.segment == ZYDIS_REGISTER_FS};
        if (memory.base || memory.thread_local_) return memory;
    }
    return std::nullopt;
}

std::optional<std::uint64_t> immediate_of(const Decoded& decoded) {
    if (decoded.instruction.operand_count_visible == 0) return std::nullopt;
    const ZydisDecodedOperand& last = decoded.operands[decoded.instruction.operand_count_visible - 1U];
    if (last.type != ZYDIS_OPERAND_TYPE_IMMEDIATE || last.imm.is_relative) return std::nullopt;
    return last.imm.value.u;
}

std::optional<std::int64_t> stack_change_of(const Decoded& decoded, RegisterSet written) {
    if ((written & 1u << stack_pointer) == 0) return 0;
    const ZydisDecodedInstruction& instruction = decoded.instruction;
    const ZydisDecodedOperand& first = decoded.operands[0];
    const ZydisDecodedOperand& second = decoded.operands[1];
    const bool names_stack_pointer = is_register(first, ZYDIS_REGISTER_RSP);
    switch (instruction.mnemonic) {
        case ZYDIS_MNEMONIC_PUSH:
        case ZYDIS_MNEMONIC_PUSHFQ: return -(instruction.operand_width / 8);
        case ZYDIS_MNEMONIC_POP:
        case ZYDIS_MNEMONIC_POPFQ:
            if (names_stack_pointer) return std::nullopt;
            return instruction.operand_width / 8;
        case ZYDIS_MNEMONIC_SUB:
            if (names_stack_pointer && is_immediate(second)) return -second.imm.value.s;
            return std::nullopt;
        case ZYDIS_MNEMONIC_ADD:
            if (names_stack_pointer && is_immediate(second)) return second.imm.value.s;
            return std::nullopt;
        case ZYDIS_MNEMONIC_LEA:
            if (names_stack_pointer && second.mem.base == ZYDIS_REGISTER_RSP && second.mem.index == ZYDIS_REGISTER_NONE) {
                return second.mem.disp.value;
            }
            return std::nullopt;
        default: return std::nullopt;
    }
}

std::optional<RegisterNumber> zero_test_of(const Decoded& decoded) {
    const ZydisDecodedOperand& first = decoded.operands[0];
    const ZydisDecodedOperand& second = decoded.operands[1];
    if (decoded.instruction.operand_count_visible != 2 || first.type != ZYDIS_OPERAND_TYPE_REGISTER || first.size != 64) return std::nullopt;
    const bool test = decoded.instruction.mnemonic == ZYDIS_MNEMONIC_TEST && is_register(second, first.reg.value);
    const bool compare = decoded.instruction.mnemonic == ZYDIS_MNEMONIC_CMP && is_immediate(second) && second.imm.value.u == 0;
    if (!test && !compare) return std::nullopt;
    return general_register(first.reg.value);
}

std::optional<std::pair<RegisterNumber, RegisterNumber>> copy_of(const Decoded& decoded) {
    const ZydisDecodedOperand& to = decoded.operands[0];
    const ZydisDecodedOperand& from = decoded.operands[1];
    if (decoded.instruction.mnemonic != ZYDIS_MNEMONIC_MOV || decoded.instruction.operand_count_visible != 2) return std::nullopt;
    if (to.type != ZYDIS_OPERAND_TYPE_REGISTER || from.type != ZYDIS_OPERAND_TYPE_REGISTER || to.size != 64) return std::nullopt;
    const auto target = general_register(to.reg.value), source = general_register(from.reg.value);
    if (!target || !source) return std::nullopt;
    return std::pair(*target, *source);
}

bool writes_flags(const ZydisDecodedInstruction& instruction) {
    const ZydisAccessedFlags* flags = instruction.cpu_flags;
    return flags != nullptr && (flags->modified | flags->set_0 | flags->set_1 | flags->undefined) != 0;
}

}  // namespace

std::string_view name_of(InstructionKind kind) {
    static constexpr std::string_view names[instruction_kind_count] = {"nop", "nop5", "push", "jump", "call", "branch", "other"};
    return names[static_cast<std::size_t>(kind)];
}

std::optional<Instruction> decode(std::span<const std::byte> bytes, std::uint64_t address) {
    Decoded decoded;
    if (!decode_fully(bytes, decoded)) return std::nullopt;
    bytes = bytes.first(decoded.instruction.length);
    const Encoding encoding = take_apart(bytes);

    Instruction result;
    result.length = bytes.size();
    result.kind = kind_of(encoding, bytes, address);
    result.flow = flow_of(decoded.instruction);
    const ZydisDecodedOperand& first = decoded.operands[0];
    if (decoded.instruction.operand_count > 0 && is_immediate(first) && first.imm.is_relative) {
        result.target = address + bytes.size() + static_cast<std::uint64_t>(first.imm.value.s);
    }
    result.operand_address = fixed_operand(decoded, address);
    result.immediate = immediate_of(decoded);
    result.memory = memory_operand(decoded);
    result.registers_written = written_by(decoded);
    result.stack_change = stack_change_of(decoded, result.registers_written);
    result.zero_test = zero_test_of(decoded);
    result.copy = copy_of(decoded);
    result.writes_flags = writes_flags(decoded.instruction);
    result.compares = decoded.instruction.mnemonic == ZYDIS_MNEMONIC_CMP;
    result.branches_if_zero = decoded.instruction.mnemonic == ZYDIS_MNEMONIC_JZ;
    result.does_nothing = decoded.instruction.mnemonic == ZYDIS_MNEMONIC_NOP;
    result.probeable = kernel_accepts(encoding);
    return result;
}

std::size_t decode_length(std::span<const std::byte> bytes) {
    static const ZydisDecoder decoder = make_decoder(true);
    ZydisDecodedInstruction instruction;
    const bool decoded = ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, bytes.data(), bytes.size(), &instruction));
    return decoded ? instruction.length : 0;
}

std::string disassemble(std::span<const std::byte> bytes, std::uint64_t address) {
    static const ZydisFormatter formatter = [] {
        ZydisFormatter made;
        ZydisFormatterInit(&made, ZYDIS_FORMATTER_STYLE_INTEL);
        ZydisFormatterSetProperty(&made, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
        ZydisFormatterSetProperty(&made, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, ZYDIS_PADDING_DISABLED);
        return made;
    }();
    Decoded decoded;
    char text[128];
    if (!decode_fully(bytes, decoded) ||
        !ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &decoded.instruction, decoded.operands.data(),
                                                      decoded.instruction.operand_count_visible, text, sizeof text, address, nullptr))) {
        return "(bad)";
    }
    return text;
}

}  // namespace memtrace
