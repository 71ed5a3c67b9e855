// Which CPythons we know the layout of, and which debug offsets we refuse: they come from the target.
#include "python/offsets.hpp"

#include <algorithm>

#include "debug_offsets.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

PythonOffsets known(unsigned minor) {
    const Result<PythonOffsets> read = offsets_for({3, minor, 0}, DebugOffsets(std::clamp(minor, 13U, 15U)).bytes());
    REQUIRE(read);
    return *read;
}

// What offsets_for() has against these debug offsets; empty when it takes them.
std::string refusal(const DebugOffsets& offsets) {
    const Result<PythonOffsets> read = offsets_for(offsets.version(), offsets.bytes());
    if (read) return "";
    CHECK(!read.error().hint.empty());
    return read.error().what;
}

std::string refusal(unsigned minor, const std::string& field, std::uint64_t value) { return refusal(DebugOffsets(minor).set(field, value)); }

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

constexpr std::uint64_t four_gib = std::uint64_t{1} << 32;
constexpr std::uint64_t highest = ~std::uint64_t{0};

}  // namespace

RULE("a version is taken apart from PY_VERSION_HEX and spelled with dots") {
    CHECK(PythonVersion::from_hex(0x030b02f0) == PythonVersion{3, 11, 2});
    CHECK(PythonVersion::from_hex(0x030b02f0).text() == "3.11.2");
    CHECK(PythonVersion::from_hex(0x030ec0a1).text() == "3.14.192");
}

RULE("CPython 3.8 to 3.12 are known in every micro release, without a look into the process") {
    for (const unsigned minor : {8U, 9U, 10U, 11U, 12U})
        for (const unsigned micro : {0U, 255U}) CHECK(offsets_for({3, minor, micro}, {}));
}

RULE("CPython 3.13 to 3.15 are known by the debug offsets of any micro release") {
    for (const unsigned minor : {13U, 14U, 15U}) {
        const DebugOffsets offsets(minor);
        for (const unsigned micro : {0U, 255U}) CHECK(offsets_for({3, minor, micro}, offsets.bytes()));
    }
}

RULE("other versions are not known") {
    const DebugOffsets offsets(15);
    for (const auto& [major, minor] : {std::pair{2U, 7U}, {2U, 11U}, {3U, 7U}, {3U, 16U}, {3U, 99U}, {4U, 11U}, {4U, 14U}, {0U, 0U}}) {
        const Result<PythonOffsets> read = offsets_for({major, minor, 0}, offsets.bytes());
        REQUIRE_FALSE(read);
        CHECK(read.error().what == "CPython " + PythonVersion{major, minor, 0}.text() + " is not known");
        CHECK(read.error().hint == "CPython 3.8 to 3.15 are");
    }
}

RULE("the form of the line table follows the version") {
    const auto lines = [](unsigned minor) { return known(minor).lines; };
    for (const unsigned minor : {8U, 9U}) CHECK(lines(minor) == LineTableFormat::lnotab);
    CHECK(lines(10) == LineTableFormat::line_deltas);
    for (const unsigned minor : {11U, 12U, 13U, 14U, 15U}) CHECK(lines(minor) == LineTableFormat::locations);
}

RULE("what depends on the process is left for others to fill") {
    for (unsigned minor = 8; minor <= 15; ++minor) {
        const mt_python python = known(minor).python;
        CHECK(python.runtime == 0);
        CHECK(python.current_thread == 0);
        CHECK(python.thread_local_offset == 0);
        CHECK(python.thread_local_module == 0);
        CHECK(python.thread_local_stride == 0);
        CHECK(std::ranges::all_of(python.contexts, [](auto context) { return context == 0; }));
    }
}

RULE("debug offsets are refused without their cookie, and when they cannot be read") {
    for (const unsigned minor : {13U, 14U, 15U}) {
        const std::string no_offsets = "CPython " + DebugOffsets(minor).version().text() +
                                       ": _PyRuntime does not begin with the interpreter's debug offsets";
        CHECK(refusal(DebugOffsets(minor).set_cookie("xdebugpz")) == no_offsets);
        CHECK(refusal(DebugOffsets(minor).set_cookie(std::string(8, '\0'))) == no_offsets);
        const DebugOffsets offsets(minor);
        for (const std::size_t size : {std::size_t{0}, std::size_t{8}, python_runtime_bytes - 1}) {
            const Result<PythonOffsets> read = offsets_for(offsets.version(), offsets.bytes().first(size));
            REQUIRE_FALSE(read);
            CHECK(read.error().what == "CPython " + offsets.version().text() + ": the beginning of _PyRuntime is not readable");
        }
    }
}

RULE("debug offsets of another version are refused, those of another micro release are not") {
    const PythonVersion asked{3, 14, 2};
    const auto refused = [&](std::uint64_t hex) { return !offsets_for(asked, DebugOffsets(14).set("version", hex).bytes()); };
    CHECK_FALSE(refused(0x030e00f0));
    CHECK_FALSE(refused(0x030effb3));  // a beta
    for (const std::uint64_t hex : {0x030d02f0ULL, 0x030f02f0ULL, 0x040e02f0ULL, 0x020e02f0ULL, 0ULL, ~0ULL, 0x1030e02f0ULL}) CHECK(refused(hex));
}

RULE("alpha releases are refused: 3.14's fourth to seventh lay strings out differently from its release") {
    CHECK(refusal(14, "version", 0x030e00a7) == "CPython 3.14.0: an alpha release, whose structures were not settled");
    CHECK(refusal(14, "version", 0x030e00b1).empty());
    CHECK(refusal(14, "version", 0x030e00c1).empty());
}

RULE("a free-threaded build is refused by its name") {
    for (const unsigned minor : {13U, 14U, 15U})
        for (const std::uint64_t flag : {1ULL, ~0ULL})
            CHECK(refusal(minor, "free_threaded", flag) ==
                  "CPython " + DebugOffsets(minor).version().text() +
                      " is a free-threaded build: its objects and its running code are laid out differently");
}

RULE("an offset outside its structure, in an object's header, or not on its natural boundary is refused") {
    for (const unsigned minor : {13U, 14U, 15U}) {
        const DebugOffsets untouched(minor);
        REQUIRE(refusal(untouched).empty());
        for (const auto& [field, place] : untouched.places()) {
            const std::string group = field.substr(0, field.find('.'));
            if (group == field || field.ends_with(".size")) continue;
            INFO("3." << minor << " " << field);
            const std::uint64_t size = untouched.get(group + ".size");
            for (const std::uint64_t offset : {size, size + 8, four_gib, four_gib + untouched.get(field), highest, highest - 7})
                CHECK(mentions(refusal(minor, field, offset), "its debug offsets place "));
            if (field != "interpreter_frame.executable") CHECK(refusal(minor, field, 0) != "");
            if (group != "thread_state" && group != "interpreter_frame") CHECK(refusal(minor, field, 8) != "");
            if (field != "interpreter_frame.owner" && field != "bytes_object.ob_sval") CHECK(refusal(minor, field, untouched.get(field) + 1) != "");
        }
    }
}

RULE("an offset that is refused is named with its structure") {
    CHECK(refusal(14, "code_object.qualname", 0) == "CPython 3.14.8: its debug offsets place co_qualname of PyCodeObject at 0 of 216");
}

RULE("two fields in one place are refused") {
    CHECK(refusal(13, "interpreter_frame.previous", 0) != "");
    CHECK(refusal(13, "interpreter_frame.owner", 58) != "");
    CHECK(refusal(14, "code_object.filename", 128) != "");
    CHECK(refusal(14, "code_object.firstlineno", 132) != "");
    CHECK(refusal(15, "thread_state.thread_id", 72) != "");
}

RULE("a size no structure has is refused") {
    for (const unsigned minor : {13U, 14U, 15U}) {
        for (const std::string group : {"thread_state", "interpreter_frame", "code_object", "bytes_object", "unicode_object"}) {
            INFO("3." << minor << " " << group);
            const std::uint64_t size = DebugOffsets(minor).get(group + ".size");
            for (const std::uint64_t value : {std::uint64_t{0}, size + 1, std::uint64_t{4104}, four_gib, highest, highest - 7})
                CHECK(mentions(refusal(minor, group + ".size", value), " a size of " + std::to_string(value)));
            CHECK(refusal(minor, group + ".size", 16) != "");
        }
        CHECK(mentions(refusal(minor, "unicode_object.size", 48), "no room for strings that are not ASCII"));
    }
}

RULE("a code object without room for _co_firsttraceable is refused") {
    const DebugOffsets offsets = DebugOffsets(14).set("code_object.co_code_adaptive", 144).set("code_object.size", 192);
    CHECK(refusal(offsets) == "CPython 3.14.8: its PyCodeObject has no room for _co_firsttraceable");
}

RULE("a frame whose fields the kernel side cannot read at once is refused") {
    const auto spread = [](std::uint64_t owner) {
        return refusal(DebugOffsets(14).set("interpreter_frame.size", 4096).set("interpreter_frame.owner", owner));
    };
    CHECK(spread(MT_FRAME_SPAN - 1).empty());
    CHECK(spread(MT_FRAME_SPAN) == "CPython 3.14.8: its debug offsets spread a frame's fields over 136 bytes");
    CHECK(spread(4095) == "CPython 3.14.8: its debug offsets spread a frame's fields over 4096 bytes");
}

RULE("a frame may begin with fields we do not read: they are not in the span") {
    const DebugOffsets offsets = DebugOffsets(14)
                                     .set("interpreter_frame.size", 4096)
                                     .set("interpreter_frame.executable", 2008)
                                     .set("interpreter_frame.previous", 2000)
                                     .set("interpreter_frame.instr_ptr", 2016)
                                     .set("interpreter_frame.owner", 1999);
    const Result<PythonOffsets> read = offsets_for(offsets.version(), offsets.bytes());
    REQUIRE(read);
    CHECK(read->python.frame_base == 1992);
    CHECK(read->python.frame_owner == 7);
    CHECK(read->python.frame_previous == 8);
    CHECK(read->python.frame_code == 16);
    CHECK(read->python.frame_instruction == 24);
    CHECK(read->python.frame_span == 32);
}

RULE("3.15's betas, whose table is a word shorter before the frames, are refused") {
    const DebugOffsets release(15);
    const std::size_t shift_from = release.places().at("thread_state.thread_id") - 8;
    std::vector<std::byte> beta(release.bytes().begin(), release.bytes().end());
    beta.erase(beta.begin() + static_cast<std::ptrdiff_t>(shift_from), beta.begin() + static_cast<std::ptrdiff_t>(shift_from + 8));
    beta.resize(python_runtime_bytes);
    CHECK_FALSE(offsets_for(release.version(), beta));
}
