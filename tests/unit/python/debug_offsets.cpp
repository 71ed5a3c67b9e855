#include "debug_offsets.hpp"

#include <cstring>

#include "support/catch.hpp"

namespace memtrace::test {
namespace {

// Of 3.13, 3.14, 3.15. Verified with their headers by offsets_headers_test.cpp.
struct Field {
    const char* name;
    std::size_t places[3];
    std::uint64_t values[3];
};
constexpr Field fields[] = {
    {"version", {8, 8, 8}, {0x030d05f0, 0x030e08f0, 0x030f02f0}},
    {"free_threaded", {16, 16, 16}, {0, 0, 0}},
    {"thread_state.size", {152, 176, 176}, {304, 832, 888}},
    {"thread_state.current_frame", {184, 208, 208}, {72, 72, 72}},
    {"thread_state.thread_id", {192, 216, 240}, {152, 152, 176}},
    {"interpreter_frame.size", {224, 248, 312}, {80, 88, 88}},
    {"interpreter_frame.previous", {232, 256, 320}, {8, 8, 8}},
    {"interpreter_frame.executable", {240, 264, 328}, {0, 0, 0}},
    {"interpreter_frame.instr_ptr", {248, 272, 336}, {56, 56, 56}},
    {"interpreter_frame.owner", {264, 288, 352}, {70, 74, 74}},
    {"code_object.size", {272, 312, 376}, {208, 216, 216}},
    {"code_object.filename", {280, 320, 384}, {112, 112, 112}},
    {"code_object.qualname", {296, 336, 400}, {128, 128, 128}},
    {"code_object.linetable", {304, 344, 408}, {136, 136, 136}},
    {"code_object.firstlineno", {312, 352, 416}, {68, 68, 68}},
    {"code_object.co_code_adaptive", {344, 384, 448}, {200, 208, 208}},
    {"bytes_object.size", {512, 592, 688}, {40, 40, 40}},
    {"bytes_object.ob_size", {520, 600, 696}, {16, 16, 16}},
    {"bytes_object.ob_sval", {528, 608, 704}, {32, 32, 32}},
    {"unicode_object.size", {536, 616, 712}, {64, 64, 64}},
    {"unicode_object.state", {544, 624, 720}, {32, 32, 32}},
    {"unicode_object.length", {552, 632, 728}, {16, 16, 16}},
    {"unicode_object.asciiobject_size", {560, 640, 736}, {40, 40, 40}},
};

}  // namespace

DebugOffsets::DebugOffsets(unsigned minor) : bytes_(python_runtime_bytes, std::byte{0xff}) {
    REQUIRE((minor >= 13 && minor <= 15));
    set_cookie("xdebugpy");
    for (const Field& field : fields) {
        places_[field.name] = field.places[minor - 13];
        set(field.name, field.values[minor - 13]);
    }
}

std::uint64_t DebugOffsets::get(const std::string& field) const {
    std::uint64_t value = 0;
    std::memcpy(&value, &bytes_.at(places_.at(field)), sizeof(value));
    return value;
}

DebugOffsets& DebugOffsets::set(const std::string& field, std::uint64_t value) {
    std::memcpy(&bytes_.at(places_.at(field)), &value, sizeof(value));
    return *this;
}

DebugOffsets& DebugOffsets::set_cookie(const std::string& text) {
    REQUIRE(text.size() == 8);
    std::memcpy(bytes_.data(), text.data(), text.size());
    return *this;
}

}  // namespace memtrace::test
