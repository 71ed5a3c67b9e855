// Functions that hand requests on, and where functions end that jump to others: small files of code, and any bytes.
#include "probes/forwarding.hpp"

#include <cstdio>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "probes/function_exits.hpp"
#include "probes/hook_list.hpp"
#include "support/catch.hpp"
#include "unit/probes/elf_builder.hpp"

using namespace memtrace;
using memtrace::test::ElfBuilder;

namespace {

constexpr std::uint64_t base = ElfBuilder::base;
constexpr std::uint64_t other = 0x100;  // where the hooked function lies

IsHooked hooked_at(std::uint64_t offset) {
    return [offset](const CodeTarget& target) { return target.address == base + offset; };
}

// A function "f" of the given code, jumped out of by a near jump behind it if `jumps`.
ElfImage function(const std::string& code, const std::string& opcode) {
    ElfBuilder builder;
    builder.code(0, code, "f").code(other, "c3", "malloc");
    if (!opcode.empty()) builder.near(memtrace::test::hex(code).size(), opcode, other, "tail");
    return builder.image();
}

}  // namespace

RULE("a function hands on when it is a jump with the arguments as they came") {
    const auto hands_on = [](const std::string& code, Request request) {
        const ElfImage image = function(code, "e9");
        return jumps_on(image, base, hooked_at(other), request);
    };
    CHECK(hands_on("f3 0f 1e fa", Request::allocation));     // endbr64; jmp
    CHECK_FALSE(hands_on("48 83 ef 10", Request::release));  // sub rdi, 16: another pointer
    CHECK(hands_on("48 89 d6", Request::release));           // mov rsi, rdx: a release has one argument
    CHECK_FALSE(hands_on("48 89 d6", Request::allocation));  // an allocation has more
    CHECK(hands_on("48 85 ff 74 10", Request::release));     // test rdi, rdi; je: nothing is freed by NULL
    CHECK_FALSE(hands_on("48 85 ff 74 10", Request::allocation));
    CHECK_FALSE(hands_on("48 85 f6 74 10", Request::release));  // another argument is NULL
    CHECK_FALSE(hands_on("53", Request::release));              // push: the stack is another one
}

RULE("each way to a return must call a hooked function; one that ends in a trap need not") {
    const ElfImage image = ElfBuilder()
                               .code(0, "53 e8 fa 00 00 00 5b c3", "f")                 // push, call, pop, ret
                               .code(0x40, "48 85 ff 74 06 e8 b6 00 00 00 c3 c3", "g")  // test, je to the last ret, call, ret
                               .code(0x80, "48 85 ff 74 06 e8 76 00 00 00 c3 0f 0b", "h")
                               .code(0xc0, "c3", "i")
                               .code(other, "c3", "malloc")
                               .image();
    const auto hooked = hooked_at(other);
    CHECK(always_calls(image, base, hooked));
    CHECK_FALSE(always_calls(image, base + 0x40, hooked));
    CHECK(always_calls(image, base + 0x80, hooked));
    CHECK_FALSE(always_calls(image, base + 0xc0, hooked));
    CHECK(may_call(image, base + 0x40, hooked));
    CHECK_FALSE(may_call(image, base + 0xc0, hooked));
}

RULE("the returns of functions that are jumped to are the function's own") {
    ElfBuilder builder;
    builder.near(0, "e9", 0x40, "f").code(0x40, "48 85 c0 74 01 c3 c3", "g").near(0x80, "e9", 0xc0, "h").code(0xc0, "ff e0", "i");
    const ElfImage image = builder.image();
    const auto none = [](const CodeTarget&) { return false; };
    const FunctionExits exits = exits_through(image, base, base + 5, none);
    CHECK(exits.all);
    CHECK(exits.returns == std::vector<std::uint64_t>{base + 0x45, base + 0x46});
    CHECK_FALSE(exits_of(image, base, base + 5).all);
    // A jump whose target only the running program knows.
    CHECK_FALSE(exits_through(image, base + 0x80, base + 0x85, none).all);
    // Whose end is seen elsewhere needs none.
    const FunctionExits seen = exits_through(image, base, base + 5, hooked_at(0x40));
    CHECK(seen.all);
    CHECK(seen.returns.empty());
}

RULE("any bytes as code are followed to an end, and nothing outside of the code is taken for a return") {
    std::mt19937 random(7);  // always the same bytes
    for (int round = 0; round < 300; ++round) {
        std::string code;
        for (int i = 0; i < 200; ++i) {
            // Jumps, branches, calls and returns more often than by chance.
            static constexpr const char* frequent[] = {"eb", "74", "c3", "e8", "e9", "ff"};
            char byte[4];
            std::snprintf(byte, sizeof byte, "%02x ", static_cast<unsigned>(random() % 256));
            code += random() % 4 == 0 ? std::string(frequent[random() % 6]) + " " : byte;
        }
        const ElfImage image = ElfBuilder().code(0, code, "f").code(0x100, code, "g").image();
        const auto hooked = hooked_at(0x100);
        for (const FunctionExits& exits : {exits_of(image, base, base + 200), exits_through(image, base, base + 200, hooked)})
            for (const std::uint64_t address : exits.returns) CHECK_FALSE(image.bytes_at(address, 1).empty());
        (void)jumps_on(image, base, hooked, Request::release);
        (void)always_calls(image, base, hooked);
        (void)may_call(image, base, hooked);
    }
}

RULE("every hook is in the list once, under each prefix, and C++'s have their names in C++") {
    const std::vector<Hook> hooks = hook_list({"shop_", "mi_", ""});
    std::set<std::string> symbols;
    for (const Hook& hook : hooks) CHECK(symbols.insert(hook.symbol).second);
    for (const char* wanted :
         {"malloc", "free_sized", "je_mallocx", "_rjem_sdallocx", "mi_heap_malloc_aligned", "tc_newarray", "shop_realloc", "_Znwm"})
        CHECK(symbols.contains(wanted));
    CHECK_FALSE(symbols.contains("je_mmap"));
    CHECK(shown_name("_ZnwmSt11align_val_t") == "operator new(unsigned long, std::align_val_t)");
    CHECK(shown_name("malloc") == "malloc");
    for (const Hook& hook : hooks)
        if (hook.symbol == "_Znwm" || hook.symbol == "mi_new") CHECK(hook.throws);
}

RULE("a prefix of an allocator can begin a name") {
    for (const char* right : {"je_", "_rjem_", "Shop$9"}) CHECK(is_allocator_prefix(right));
    for (const char* wrong : {"", "9a", "a b", "a-", "\n"}) CHECK_FALSE(is_allocator_prefix(wrong));
    CHECK_FALSE(is_allocator_prefix(std::string(65, 'a')));
}
