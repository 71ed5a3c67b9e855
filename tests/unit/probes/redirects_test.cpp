// Other addresses that mean the same as a function's entry, as plan_redirects finds them.
#include "probes/planner.hpp"
#include "support/catch.hpp"
#include "unit/probes/elf_builder.hpp"

using namespace memtrace;
using memtrace::test::ElfBuilder;

namespace {

constexpr std::uint64_t base = ElfBuilder::base;
constexpr std::uint64_t entry = 0x40;
constexpr std::string_view slow = "48 8d 46 ff 48 83 ec 18 48 39 c0 77 f0 c3";  // lea; sub; …: nothing for a return probe
constexpr std::string_view pushes = "41 55 48 89 f3 c3";

enum Wants { entry_only, with_return };

ProbeRequest request(const ElfImage& image, Wants wants) {
    const auto symbol = image.find_symbol("f");
    REQUIRE(symbol);
    return {symbol->address, symbol->address + symbol->size, 3, wants == with_return};
}

// "KIND target probe" of each redirect of "f", places as offsets from the start of the code.
std::vector<std::string> redirects(const ElfBuilder& builder, Wants wants = with_return, std::optional<unsigned> null_argument = {}) {
    const ElfImage image = builder.image();
    ProbeRequest wanted = request(image, wants);
    wanted.null_argument = null_argument;
    std::vector<std::string> found;
    for (const Redirect& redirect : plan_redirects(image, wanted, ProbeCosts::typical())) {
        CHECK(redirect.target != wanted.entry);
        char text[100];
        std::snprintf(text, sizeof text, "%s %lx %lx%s", redirect.kind.c_str(), redirect.target - base, redirect.probe.address - base,
                      redirect.probe.emulated ? "" : " slow");
        found.emplace_back(text);
    }
    return found;
}

using Found = std::vector<std::string>;

// "f" at `entry`, behind a function "before" that `padding` fills the gap to.
ElfBuilder padded(std::string_view padding, std::string_view code = slow) {
    const std::uint64_t start = entry - test::hex(padding).size();
    return ElfBuilder().code(start - 1, "c3", "before").code(start, padding).code(entry, code, "f");
}

}  // namespace

RULE("a jmp to the function in another one is a redirect, probed at the jmp itself") {
    const auto program = ElfBuilder().code(entry, slow, "f").code(0x100, "48 89 f8 e9 38 ff ff ff", "wrapper");
    CHECK(redirects(program) == Found{"jmp elsewhere 103 103"});
}

RULE("every such jmp is reported, the short form too") {
    const auto program =
        ElfBuilder().code(entry, slow, "f").code(0x60, "eb de", "near").code(0x100, "e9 3b ff ff ff", "a").near(0x210, "e9", entry, "c");
    CHECK(redirects(program) == Found{"jmp elsewhere 100 100", "jmp elsewhere 210 210", "jmp elsewhere 60 60"});
}

RULE("bytes that look like a jmp inside of another instruction are none") {
    CHECK(redirects(ElfBuilder().code(entry, slow, "f").code(0x100, "48 b8 e9 39 ff ff ff 00 00 00 c3", "wrapper")).empty());
}

RULE("a jmp in no known function, in the function itself, or with a prefix is not used") {
    CHECK(redirects(ElfBuilder().code(entry, slow, "f").near(0x100, "e9", entry)).empty());
    CHECK(redirects(ElfBuilder().code(entry, "48 8d 46 ff 48 83 ec 18 e9 f3 ff ff ff", "f")).empty());
    CHECK(redirects(ElfBuilder().code(entry, slow, "f").code(0x100, "f2 e9 3a ff ff ff", "wrapper")).empty());
}

RULE("one-byte nops before the function are redirect and probe in one") {
    CHECK(redirects(padded("90")) == Found{"padding before 3f 3f"});
    CHECK(redirects(padded("66 90")) == Found{"padding before 3e 3e"});
    CHECK(redirects(padded("0f 1f 44 00 00")) == Found{"padding before 3b 3b"});
}

RULE("longer nops lead into the function, where the probe stands") {
    CHECK(redirects(padded("66 0f 1f 84 00 00 00 00 00", pushes)) == Found{"padding before 37 40"});
    CHECK(redirects(padded("66 66 2e 0f 1f 84 00 00 00 00 00", pushes)) == Found{"padding before 35 40"});
    CHECK(redirects(padded("66 0f 1f 84 00 00 00 00 00")) == Found{"padding before 37 40 slow"});
}

RULE("of several nops the one that costs least is probed, and the shortest slide taken") {
    CHECK(redirects(padded("90 66 0f 1f 84 00 00 00 00 00")) == Found{"padding before 36 36"});
    CHECK(redirects(padded("90 66 0f 1f 84 00 00 00 00 00", pushes)) == Found{"padding before 37 40"});
    CHECK(redirects(padded("66 90 0f 1f 44 00 00")) == Found{"padding before 3b 3b"});
}

RULE("int3 between the last function and the nops does not matter") { CHECK(redirects(padded("cc cc 90")) == Found{"padding before 3f 3f"}); }

RULE("a free behind its check for NULL is not given up for a nop") {
    CHECK(redirects(padded("0f 1f 44 00 00", "48 85 ff 74 02 53 5b c3"), entry_only, 0) == Found{"padding before 3b 45"});
}

RULE("padding counts as such only when nothing falls through into it") {
    const auto inside = [](std::string_view before) {
        return redirects(ElfBuilder().code(entry - test::hex(before).size(), before, "before").code(entry, slow, "f"));
    };
    CHECK(inside("48 89 f8 c3 90") == Found{"padding before 3f 3f"});  // bounds that include the padding
    CHECK(inside("48 89 f8 ff e0 90") == Found{"padding before 3f 3f"});
    CHECK(inside("0f 0b 90") == Found{"padding before 3f 3f"});
    CHECK(inside("48 89 f8 90").empty());
    CHECK(inside("b8 00 00 00 90").empty());  // the last byte of an instruction
    CHECK(inside("b8 00 c3 90 90").empty());
}

RULE("what precedes the function is taken for padding only next to a known function") {
    CHECK(redirects(ElfBuilder().code(entry - 1, "90").code(entry, slow, "f")).empty());
    CHECK(redirects(padded("00 90")).empty());
}

RULE("behind endbr64 the function means the same, and is probed from there on") {
    CHECK(redirects(ElfBuilder().code(entry, "f3 0f 1e fa 55 c3", "f")) == Found{"after endbr64 44 44"});
    CHECK(redirects(ElfBuilder().code(entry, "f3 0f 1e fa 48 83 ec 18 c3", "f")) == Found{"after endbr64 44 44 slow"});
    CHECK(redirects(ElfBuilder().code(entry, "f3 0f 1e fa 48 85 f6 74 01 90 c3", "f"), entry_only) == Found{"after endbr64 44 47"});
}

RULE("an endbr64 that the function loops back behind is no redirect with a probe there") {
    CHECK(redirects(ElfBuilder().code(entry, "f3 0f 1e fa 48 ff c8 75 fb c3", "f")).empty());
}

RULE("redirects come cheapest first, then jmp, padding, endbr64") {
    const auto program = padded("66 90", "f3 0f 1e fa 55 c3").code(0x100, "e9 3b ff ff ff", "wrapper");
    CHECK(redirects(program) == Found{"jmp elsewhere 100 100", "padding before 3e 44", "after endbr64 44 44"});
    const auto slower = padded("66 90", "f3 0f 1e fa 48 83 ec 18 c3");
    CHECK(redirects(slower) == Found{"padding before 3e 3e", "after endbr64 44 44 slow"});
}

RULE("stripped files give the same redirects through their unwind table") {
    const auto program = [] { return padded("66 90", "f3 0f 1e fa 48 83 ec 18 c3").code(0x100, "e9 3b ff ff ff", "wrapper"); };
    const ElfImage with_symbols = program().image();
    const ElfImage stripped = program().stripped().image();
    const ProbeRequest wanted = request(with_symbols, with_return);
    const auto expected = plan_redirects(with_symbols, wanted, ProbeCosts::typical());
    const auto found = plan_redirects(stripped, wanted, ProbeCosts::typical());
    REQUIRE(found.size() == 3);
    REQUIRE(expected.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(found[i].target == expected[i].target);
        CHECK(found[i].probe == expected[i].probe);
    }
}
