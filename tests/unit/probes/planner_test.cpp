// Where plan_probe puts a probe, and every reason not to put it somewhere.
#include "probes/planner.hpp"

#include "probes/text_scan.hpp"
#include "support/catch.hpp"
#include "unit/probes/elf_builder.hpp"

using namespace memtrace;
using memtrace::test::ElfBuilder;

namespace {

constexpr std::uint64_t base = ElfBuilder::base;
constexpr std::uint8_t first_argument = 1, two_arguments = 3, three_arguments = 7;

enum Wants { entry_only, with_return };

// The function "f" at the start of a builder's code.
ProbeRequest request(const ElfImage& image, std::uint8_t arguments, Wants wants = entry_only) {
    const auto symbol = image.find_symbol("f");
    REQUIRE(symbol);
    return {symbol->address, symbol->address + symbol->size, arguments, wants == with_return};
}

ProbeSite planned(const ElfBuilder& builder, std::uint8_t arguments, Wants wants = entry_only) {
    const ElfImage image = builder.image();
    const auto site = plan_probe(image, request(image, arguments, wants), ProbeCosts::typical());
    REQUIRE(site);
    return *site;
}

std::uint64_t planned_offset(const ElfBuilder& builder, std::uint8_t arguments, Wants wants = entry_only) {
    return planned(builder, arguments, wants).address - base;
}

// The same for free(p) or free(ctx, p): calls with NULL may leave before the probe.
std::uint64_t planned_free(const ElfBuilder& builder, unsigned argument = 0) {
    const ElfImage image = builder.image();
    ProbeRequest wanted = request(image, static_cast<std::uint8_t>(1u << argument));
    wanted.null_argument = argument;
    const auto site = plan_probe(image, wanted, ProbeCosts::typical());
    REQUIRE(site);
    return site->address - base;
}

ElfBuilder function(std::string_view code) { return ElfBuilder().code(0, code, "f"); }

}  // namespace

RULE("a function that begins with a push is probed there, with its return") {
    const auto site = planned(function("41 54 55 53 48 89 fb c3"), first_argument, with_return);
    CHECK(site == ProbeSite{base, InstructionKind::push, "push r12", true, 800});
}

RULE("the first emulated instruction on the straight line is chosen over a single-stepped entry") {
    CHECK(planned_offset(function("48 8d 46 ff 55 48 89 fd c3"), two_arguments) == 4);         // lea; push
    CHECK(planned_offset(function("f3 0f 1e fa 55 c3"), first_argument, with_return) == 4);    // endbr64; push
    CHECK(planned_offset(function("f3 0f 1e fa 48 85 ff 74 01 90 c3"), first_argument) == 7);  // endbr64; test; je
}

RULE("behind endbr64 and sub only what needs no return address is left") {
    const auto code = function("f3 0f 1e fa 48 83 ec 18 55 c3");
    CHECK(planned_offset(code, first_argument) == 8);
    CHECK(planned_offset(code, first_argument, with_return) == 0);
    CHECK_FALSE(planned(code, first_argument, with_return).emulated);
}

RULE("without anything emulated the entry itself is probed, and says what it costs") {
    const auto site = planned(function("48 89 f8 48 01 f0 c3"), two_arguments);
    CHECK(site == ProbeSite{base, InstructionKind::other, "mov rax, rdi", false, 9900});
}

RULE("the cheapest instruction wins over an earlier one that is dearer") {
    CHECK(planned_offset(function("55 0f 1f 44 00 00 53 c3"), first_argument) == 1);
    CHECK(planned_offset(function("55 0f 1f 44 00 00 53 c3"), first_argument, with_return) == 0);
}

RULE("costs decide what is worth moving for: where nothing is emulated the entry stays") {
    ProbeCosts flat;
    flat.entry_ns.fill(9900);
    const ElfImage image = function("48 89 f8 55 c3").image();
    const auto site = plan_probe(image, request(image, first_argument), flat);
    REQUIRE(site);
    CHECK(site->address == base);
    CHECK_FALSE(site->emulated);
}

RULE("an argument that was overwritten, even implicitly, ends the search") {
    CHECK(planned_offset(function("48 89 f7 55 c3"), first_argument) == 0);            // mov rdi, rsi
    CHECK(planned_offset(function("48 89 f7 55 c3"), 2) == 3);                         // only rsi is wanted
    CHECK(planned_offset(function("48 89 f0 48 f7 e7 55 c3"), two_arguments) == 6);    // mul rdi leaves both
    CHECK(planned_offset(function("48 89 f0 48 f7 e7 55 c3"), three_arguments) == 0);  // but writes rdx
    CHECK(planned_offset(function("f3 a4 55 c3"), first_argument) == 0);               // rep movsb
    CHECK(planned_offset(function("40 b7 01 55 c3"), first_argument) == 0);            // mov dil, 1
}

RULE("a push before the site is harmless without a return probe and fatal with one") {
    const auto code = function("57 74 02 5f c3 5f c3");
    CHECK(planned_offset(code, first_argument, with_return) == 0);
    const auto late = function("48 83 ec 08 74 05 48 83 c4 08 c3 48 83 c4 08 c3");
    CHECK(planned_offset(late, first_argument) == 4);
    CHECK(planned_offset(late, first_argument, with_return) == 0);
}

RULE("a stack pointer that came back to where it was is where it was") {
    CHECK(planned_offset(function("48 83 ec 08 48 83 c4 08 53 5b c3"), first_argument, with_return) == 8);
    CHECK(planned_offset(function("48 83 e4 f0 53 5b c3"), first_argument, with_return) == 0);
}

RULE("nothing behind a conditional branch is on every call's way") {
    CHECK(planned_offset(function("48 39 f7 77 01 55 c3"), first_argument) == 3);  // the branch itself is
    CHECK(planned_offset(function("48 39 f7 e3 01 55 c3"), first_argument) == 0);  // jrcxz is not emulated
}

RULE("a direct tail jump is a site, and the end of the line") {
    CHECK(planned_offset(function("48 89 f2").near(3, "e9", 0x40), two_arguments) == 0);
    CHECK(planned_offset(ElfBuilder().code(0, "48 89 f2 e9 38 00 00 00 55 c3", "f"), two_arguments) == 3);
    CHECK(planned_offset(function("48 89 f2 ff e0 55 c3"), two_arguments) == 0);
}

RULE("a direct call is a site, and the end of the line") {
    CHECK(planned_offset(function("48 89 f2 e8 38 00 00 00 55 c3"), two_arguments) == 3);
    CHECK(planned_offset(function("48 89 f2 ff d0 55 c3"), two_arguments) == 0);
    CHECK(planned_offset(function("48 89 f2 c3 55"), two_arguments) == 0);
}

RULE("behind a system call only what reports on return may be probed") {
    const auto code = function("b8 0b 00 00 00 0f 05 48 3d 01 f0 ff ff 73 01 c3 c3");
    CHECK(planned_offset(code, two_arguments) == 0);
    CHECK(planned_offset(code, two_arguments, with_return) == 13);
    CHECK(planned_offset(code, 8, with_return) == 0);  // rcx is clobbered by it
}

RULE("a free is probed behind its check for NULL, so that free(NULL) costs nothing") {
    CHECK(planned_free(function("48 85 ff 74 05 48 89 f8 55 c3 c3")) == 8);  // test; je; mov; push
    CHECK(planned_free(function("48 83 ff 00 74 02 55 c3 c3")) == 6);        // cmp rdi, 0
    CHECK(planned_free(function("55 48 85 ff 74 03 53 5b c3 5d c3")) == 6);  // rather than the push before
    CHECK(planned_free(function("48 85 f6 74 02 53 c3 c3"), 1) == 5);        // free(ctx, p)
    CHECK(planned_free(function("f3 0f 1e fa 48 85 f6 0f 84 01 00 00 00 53 c3 c3"), 1) == 13);
}

RULE("with nothing emulated behind the check for NULL the branch itself is probed") {
    CHECK(planned_free(function("48 85 ff 74 03 48 89 f8 c3 c3")) == 3);
    CHECK(planned_free(function("48 85 ff 74 05 48 89 f7 55 c3 c3")) == 3);  // argument gone by then
}

RULE("other branches are no check for NULL") {
    CHECK(planned_free(function("48 85 f6 74 02 53 c3 c3")) == 3);                    // another register
    CHECK(planned_free(function("85 ff 74 02 53 c3 c3")) == 2);                       // half a register
    CHECK(planned_free(function("48 85 ff 75 02 53 c3 c3")) == 3);                    // jne: NULL goes on
    CHECK(planned_free(function("48 85 ff 48 39 c0 74 02 53 c3 c3")) == 6);           // flags overwritten
    CHECK(planned_free(function("48 89 f7 48 85 ff 74 02 53 c3 c3")) == 0);           // not the argument any more
    CHECK(planned_offset(function("48 85 ff 74 02 53 c3 c3"), first_argument) == 3);  // not asked for
}

RULE("a loop back into the prologue disqualifies what it reaches") {
    CHECK(planned_offset(function("48 89 f8 53 48 ff c8 75 fa 5b c3"), first_argument) == 0);        // jne to the push
    CHECK(planned_offset(function("48 89 f8 48 ff c8 53 48 39 c0 75 f7 c3"), first_argument) == 0);  // jne before the push
    CHECK(planned_offset(function("53 48 ff c8 48 39 c0 75 f8 c3"), first_argument) == 0);           // only behind it
    CHECK(planned_offset(function("48 89 f8 53 48 ff c8 0f 85 f6 ff ff ff 5b c3"), first_argument) == 0);
}

RULE("a jump from a .cold part or another function disqualifies what it reaches") {
    const auto cold = [](std::uint64_t target) { return function("48 89 f8 53 48 89 f3 5b c3").near(0x200, "e9", target, "f.cold"); };
    CHECK(planned_offset(cold(3), first_argument) == 0);
    CHECK(planned_offset(cold(1), first_argument) == 0);
    CHECK(planned_offset(cold(0), first_argument) == 3);
    CHECK(planned_offset(cold(4), first_argument) == 3);
    CHECK(planned_offset(function("48 89 f8 53 5b c3").near(0x1231, "0f 84", 3), first_argument) == 0);
    CHECK(planned_offset(function("48 89 f8 53 5b c3").near(0x1233, "48 8d 05", 3), first_argument) == 0);
}

RULE("a short jump from the function before disqualifies what it reaches") {
    const auto after = [](std::string_view jump) { return ElfBuilder().code(0x0e, jump, "g").code(0x10, "48 89 f8 53 5b c3", "f"); };
    CHECK(planned_offset(after("eb 03"), first_argument) == 0x10);
    CHECK(planned_offset(after("eb 04"), first_argument) == 0x13);
}

RULE("with the end of the function unknown the line is followed all the same") {
    const ElfImage image = function("48 89 f8 53 5b c3").image();
    CHECK(plan_probe(image, {base, 0, first_argument}, ProbeCosts::typical())->address == base + 3);
}

RULE("bytes elsewhere that only look like such a jump do not disqualify anything") {
    const auto with_f = [](std::uint64_t offset, std::string_view code) { return function("48 89 f8 53 5b c3").code(offset, code, "g"); };
    CHECK(planned_offset(with_f(0x20, "b8 de ff ff ff c3"), first_argument) == 3);  // mov eax, as far as it is to the push
    CHECK(planned_offset(function("48 89 f8 53 5b c3").code(0x100, "b8 fe fe ff ff c3"), first_argument) == 0);  // who knows
    const auto padding = [](std::string_view nop) { return ElfBuilder().code(0, "c3", "g").code(1, nop).code(0x90, "48 89 f8 53 5b c3", "f"); };
    CHECK(planned_offset(padding("66 66 2e 0f 1f 84 00 00 00 00 00"), first_argument) == 0x93);
    CHECK(planned_offset(padding("66 66 66 66 66 2e 0f 1f 84 00 00 00 00 00"), first_argument) == 0x93);
}

RULE("constants inside the straight line do not disqualify it") {
    CHECK(planned_offset(function("b8 00 00 00 00 ba 00 00 00 00 53 5b c3"), first_argument) == 10);
}

RULE("another function's start on the line ends it") {
    CHECK(planned_offset(function("48 89 f8 53 5b c3").code(3, "53 5b c3", "g"), first_argument) == 0);
    CHECK(planned_offset(ElfBuilder().code(0, "48 89 f8", "f").code(3, "53 5b c3"), first_argument) == 0);  // past the end
}

RULE("instructions that the kernel refuses are passed over") {
    CHECK(planned_offset(function("0f 01 f9 48 89 c8 c3"), 2) == 3);  // rdtscp: refused at the entry
    const ElfImage image = function("0f 0b").image();
    const auto site = plan_probe(image, request(image, 0), ProbeCosts::typical());
    REQUIRE_FALSE(site);
    CHECK(site.error().what == "crafted: the kernel accepts no probe on the function at 0x401000");
}

RULE("an entry outside of the code, or without an instruction, is an error") {
    const ElfImage image = function("06 c3").image();
    CHECK(plan_probe(image, {0x10, 0x20}, ProbeCosts::typical()).error().what == "crafted: 0x10 is not in its code");
    CHECK(plan_probe(image, request(image, 0), ProbeCosts::typical()).error().what == "crafted: no instruction at 0x401000");
    CHECK_FALSE(plan_probe(image, {base + 1, base}, ProbeCosts::typical()));
}

RULE("the scan for references finds one at every position and no other") {
    for (std::uint64_t position = 0; position < 70; ++position) {
        INFO(position);
        const ElfImage image = ElfBuilder().code(0, "c3").near(0x100 + position, "e9", 0x80).code(0x200, "c3").image();
        std::vector<std::uint64_t> found;
        for (const CodeView& view : image.code()) {
            for_each_displacement(view, base + 0x80, base + 0x80, [&](std::uint64_t at, std::uint64_t) { found.push_back(at); });
        }
        CHECK(found == std::vector{base + 0x101 + position});
    }
}

RULE("an argument that was copied to another argument register is found there") {
    // test rdx,rdx; mov eax,1; mov rdi,rsi; cmovne rax,rdx; mov rsi,rax; jmp elsewhere
    const auto builder = [] {
        return ElfBuilder().code(0, "48 85 d2 b8 01 00 00 00 48 89 f7 48 0f 45 c2 48 89 c6 e9 00 01 00 00", "f").code(0x200, "c3");
    };
    const ProbeSite site = planned(builder(), 0b110, with_return);
    CHECK(site.address == base + 18);
    CHECK(site.registers == std::array<std::uint8_t, 6>{ProbeSite::lost, 0, 2, 3, 4, 5});
    CHECK(planned_offset(builder(), 0b111, with_return) == 0);  // ctx was overwritten: only the entry has all three
}

RULE("a copy of an argument is not the argument once the register is written again") {
    // mov rdi,rsi; mov rsi,rax; xor edi,edi; push rbx
    CHECK(planned_offset(function("48 89 f7 48 89 c6 31 ff 53 c3"), 0b010) == 0);
    CHECK(planned_offset(function("48 89 f7 48 89 c6 53 c3"), 0b010) == 6);
    // mov rax,rdi; mov rdi,rsi; mov rdi,rax; push rbp: away and back again
    CHECK(planned_offset(function("48 89 f8 48 89 f7 48 89 c7 55 c3"), first_argument) == 9);
}

RULE("a function's address counts as compared by a comparison soon behind its load or with it, not by being loaded or called") {
    const auto program = [] { return ElfBuilder().code(0, "c3", "f").near(0x20, "e8", 0).near(0x30, "e9", 0); };
    CHECK_FALSE(compared_in_code(program().image(), base));
    const auto with_lea = [&](std::string_view behind) { return program().code(0x40, "90", "g").near(0x41, "48 8d 15", 0).code(0x48, behind); };
    CHECK(compared_in_code(with_lea("48 39 d0 c3").image(), base));
    CHECK_FALSE(compared_in_code(with_lea("48 89 10 c3").image(), base));
    CHECK(compared_in_code(program().code(0x40, "48 3d 00 10 40 00 c3", "g").image(), base));
    CHECK_FALSE(compared_in_code(program().code(0x40, "48 c7 c0 00 10 40 00 c3", "g").image(), base));
    CHECK_FALSE(compared_in_code(program().code(0x40, "48 3d 00 10 40 00 c3", "g").position_independent().image(), base));
}

RULE("the calls of a function are known by where they return to and how deep the stack is there") {
    // push rbx; sub rsp, 0x18; call far away; test rax, rax; je behind; call again; add rsp, 0x18; pop rbx; ret; call unreached
    const ElfImage image =
        function("53 48 83 ec 18 e8 00 01 00 00 48 85 c0 74 05 e8 00 01 00 00 48 83 c4 18 5b c3 e8 00 01 00 00").code(0x300, "c3").image();
    CHECK(calls_of(image, base, base + 31) == std::vector<CallSite>{{base + 10, 32}, {base + 20, 32}});
    const ElfImage aligned = function("48 83 e4 f0 e8 00 01 00 00 c3").code(0x300, "c3").image();  // and rsp, -16: depth unknown
    CHECK(calls_of(aligned, base, base + 10).empty());
}
