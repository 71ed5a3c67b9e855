// What the kernel makes of an instruction under a probe, and what the planner reads off it.
#include "probes/decode.hpp"

#include "support/catch.hpp"
#include "unit/probes/elf_builder.hpp"

using namespace memtrace;
using memtrace::test::hex;

namespace {

constexpr std::uint64_t here = 0x401000;
constexpr RegisterNumber rax = 0, rcx = 1, rdx = 2, rbx = 3, rsp = 4, rsi = 6, rdi = 7, r11 = 11;

Instruction decoded(std::string_view code) {
    INFO(code);
    const auto bytes = hex(code);
    const auto instruction = decode(bytes, here);
    REQUIRE(instruction);
    REQUIRE(instruction->length == bytes.size());
    return *instruction;
}

RegisterSet set(std::initializer_list<RegisterNumber> numbers) {
    RegisterSet result = 0;
    for (const RegisterNumber number : numbers) result = static_cast<RegisterSet>(result | 1u << number);
    return result;
}

}  // namespace

RULE("the kinds are those that the kernel's uprobe code knows by their bytes") {
    const std::pair<const char*, InstructionKind> expected[] = {
        {"90", InstructionKind::nop},
        {"66 90", InstructionKind::nop},
        {"66 66 90", InstructionKind::nop},
        {"f3 90", InstructionKind::other /* pause */},
        {"41 90", InstructionKind::other /* xchg r8, rax */},
        {"0f 1f 44 00 00", InstructionKind::nop5},
        {"0f 1f 00", InstructionKind::other},
        {"0f 1f 40 00", InstructionKind::other},
        {"66 0f 1f 44 00 00", InstructionKind::other},
        {"66 0f 1f 84 00 00 00 00 00", InstructionKind::other},
        {"0f 1f 44 00 08", InstructionKind::other},
        {"55", InstructionKind::push},
        {"41 54", InstructionKind::push},
        {"66 55", InstructionKind::other},
        {"48 55", InstructionKind::other},
        {"40 55", InstructionKind::other},
        {"ff f5", InstructionKind::other},
        {"6a 01", InstructionKind::other},
        {"eb 05", InstructionKind::jump},
        {"e9 00 01 00 00", InstructionKind::jump},
        {"f2 e9 00 01 00 00", InstructionKind::other},
        {"ff e0", InstructionKind::other},
        {"3e ff e0", InstructionKind::other},
        {"e8 00 01 00 00", InstructionKind::call},
        {"ff d0", InstructionKind::other},
        {"74 05", InstructionKind::branch},
        {"0f 84 00 01 00 00", InstructionKind::branch},
        {"e3 05", InstructionKind::other /* jrcxz */},
        {"f2 74 05", InstructionKind::other},
        {"f3 0f 1e fa", InstructionKind::other},
        {"c3", InstructionKind::other},
        {"48 89 fb", InstructionKind::other},
        {"48 8d 46 ff", InstructionKind::other},
        {"48 83 ec 18", InstructionKind::other},
        {"48 85 ff", InstructionKind::other},
        {"5d", InstructionKind::other},
    };
    for (const auto& [code, kind] : expected) {
        INFO(code);
        CHECK(name_of(decoded(code).kind) == name_of(kind));
    }
}

RULE("a five-byte nop across two pages is not one that a call can replace") {
    const auto nop5 = hex("0f 1f 44 00 00");
    CHECK(decode(nop5, 0x401ffb)->kind == InstructionKind::nop5);
    CHECK(decode(nop5, 0x401ffc)->kind == InstructionKind::other);
}

RULE("instructions on which the kernel refuses every probe are known") {
    for (const char* code : {"2e 66 0f 1f 84 00 00 00 00 00", "3e ff e0", "f0 48 ff 07", "66 e9 00 01 00 00", "66 0f 84 00 01 00 00", "0f 05", "cc",
                             "f4", "0f 0b", "c5 f8 77", "0f 01 f9"}) {
        INFO(code);
        const auto instruction = decode(hex(code), here);
        REQUIRE(instruction);
        CHECK_FALSE(instruction->probeable);
    }
    for (const char* code : {"90", "55", "64 48 8b 04 25 28 00 00 00", "f3 0f 1e fa", "66 0f 1f 84 00 00 00 00 00", "f3 a4", "74 05", "0f af f7"}) {
        INFO(code);
        CHECK(decoded(code).probeable);
    }
}

RULE("control flow and targets are told apart") {
    CHECK(decoded("48 89 fb").flow == ControlFlow::next);
    CHECK(decoded("74 05").flow == ControlFlow::branch);
    CHECK(decoded("74 05").target == here + 7);
    CHECK(decoded("e3 fe").flow == ControlFlow::branch);
    CHECK(decoded("e3 fe").target == here);
    CHECK(decoded("eb 80").target == here + 2 - 128);
    CHECK(decoded("e9 fb ff ff ff").target == here);
    CHECK(decoded("ff e0").flow == ControlFlow::jump);
    CHECK_FALSE(decoded("ff e0").target);
    CHECK(decoded("e8 00 01 00 00").flow == ControlFlow::call);
    CHECK(decoded("e8 00 01 00 00").target == here + 0x105);
    CHECK(decoded("f3 c3").flow == ControlFlow::ret);
    CHECK(decoded("0f 05").flow == ControlFlow::system_call);
    for (const char* code : {"cc", "0f 0b", "f4", "cd 80"}) CHECK(decoded(code).flow == ControlFlow::stop);
}

RULE("implicit and partial writes count as writes") {
    CHECK(decoded("48 f7 e6").registers_written == set({rax, rdx}));         // mul rsi
    CHECK(decoded("48 0f af f7").registers_written == set({rsi}));           // imul rsi, rdi
    CHECK(decoded("40 b7 01").registers_written == set({rdi}));              // mov dil, 1
    CHECK(decoded("31 ff").registers_written == set({rdi}));                 // xor edi, edi
    CHECK(decoded("f3 a4").registers_written == set({rcx, rsi, rdi}));       // rep movsb
    CHECK(decoded("f3 48 ab").registers_written == set({rcx, rdi}));         // rep stosq
    CHECK(decoded("0f a2").registers_written == set({rax, rcx, rdx, rbx}));  // cpuid
    CHECK(decoded("48 87 f7").registers_written == set({rdi, rsi}));         // xchg rdi, rsi
    CHECK(decoded("48 0f 44 fe").registers_written == set({rdi}));           // cmove rdi, rsi
    CHECK((decoded("0f 05").registers_written & set({rcx, r11})) == set({rcx, r11}));
    CHECK(decoded("57").registers_written == set({rsp}));  // push rdi
    CHECK(decoded("48 85 ff").registers_written == 0);     // test rdi, rdi
    CHECK(decoded("48 89 3e").registers_written == 0);     // mov [rsi], rdi
}

RULE("the stack pointer is followed through pushes, pops and constants, and lost otherwise") {
    CHECK(decoded("55").stack_change == -8);
    CHECK(decoded("66 55").stack_change == -2);
    CHECK(decoded("6a 01").stack_change == -8);
    CHECK(decoded("ff 77 08").stack_change == -8);
    CHECK(decoded("9c").stack_change == -8);
    CHECK(decoded("5d").stack_change == 8);
    CHECK(decoded("48 83 ec 18").stack_change == -0x18);
    CHECK(decoded("48 83 c4 18").stack_change == 0x18);
    CHECK(decoded("48 81 ec 00 10 00 00").stack_change == -0x1000);
    CHECK(decoded("48 8d 64 24 f8").stack_change == -8);
    CHECK(decoded("48 89 e5").stack_change == 0);
    for (const char* code : {"48 83 e4 f0", "5c", "48 89 ec", "c9", "48 8d 25 00 00 00 00", "48 29 c4"}) {
        INFO(code);
        CHECK_FALSE(decoded(code).stack_change);
    }
}

RULE("a test for zero is one of a whole register against itself or 0") {
    CHECK(decoded("48 85 ff").zero_test == rdi);
    CHECK(decoded("48 83 ff 00").zero_test == rdi);
    CHECK(decoded("48 85 f6").zero_test == rsi);
    for (const char* code : {"85 ff", "48 85 f7", "48 83 ff 01", "83 ff 00", "48 83 3f 00", "48 39 ff"}) {
        INFO(code);
        CHECK_FALSE(decoded(code).zero_test);
    }
    CHECK(decoded("48 85 ff").writes_flags);
    CHECK_FALSE(decoded("48 8d 46 ff").writes_flags);
    CHECK(decoded("74 05").branches_if_zero);
    CHECK_FALSE(decoded("75 05").branches_if_zero);
}

RULE("every form of nop does nothing, endbr64 and pause are something else") {
    for (const char* code : {"90", "66 90", "0f 1f 00", "66 2e 0f 1f 84 00 00 00 00 00", "66 66 2e 0f 1f 84 00 00 00 00 00"}) {
        INFO(code);
        CHECK(decoded(code).does_nothing);
    }
    for (const char* code : {"f3 90", "f3 0f 1e fa", "48 87 db"}) CHECK_FALSE(decoded(code).does_nothing);
}

RULE("too few or senseless bytes are no instruction") {
    CHECK_FALSE(decode({}, here));
    CHECK_FALSE(decode(hex("e9 00 00"), here));
    CHECK_FALSE(decode(hex("06"), here));
    CHECK(decode_length({}) == 0);
    CHECK(decode_length(hex("48")) == 0);
    CHECK(disassemble(hex("06"), here) == "(bad)");
}

RULE("disassembly is in Intel syntax, with absolute targets") {
    CHECK(disassemble(hex("55"), here) == "push rbp");
    CHECK(disassemble(hex("74 05"), here) == "jz 0x401007");
    CHECK(disassemble(hex("66 90"), here) == "nop");
    CHECK(disassemble(hex("f3 0f 1e fa"), here) == "endbr64");
}
