// Our offsets against the headers of the versions they stand for, wherever such headers are found.
#include <iostream>
#include <set>

#include "debug_offsets.hpp"
#include "printed_offsets.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::test;
namespace fs = std::filesystem;

namespace {

std::vector<fs::path> includes_or_skip() {
    std::vector<fs::path> includes = python_includes();
    if (includes.empty()) skip("no headers of any CPython: neither /usr/include/python3.X, nor ~/.pyenv, nor $PYTHON_INCLUDES");
    return includes;
}

// What the headers must say for these offsets to be right.
std::map<std::string, std::uint64_t> expected(const PythonVersion& version, const PythonOffsets& offsets) {
    const mt_python& python = offsets.python;
    std::map<std::string, std::uint64_t> values = {
        {"thread_id", python.thread_id},
        {"thread_frame", python.thread_frame},
        {"frame_code", python.frame_base + python.frame_code},
        {"frame_previous", python.frame_base + python.frame_previous},
        {"frame_instruction", python.frame_base + python.frame_instruction},
        {"code_unit_bytes", 2},  // struct mt_python: code_first_traceable counts such units
        {"code_first_line", python.code_first_line},
        {"co_firstlineno_bytes", 4},
        {"code_filename", python.code_filename},
        {"code_name", python.code_name},
        {"code_linetable", python.code_linetable},
        {"unicode_length", python.unicode_length},
        {"unicode_state", python.unicode_state},
        {"unicode_ascii", python.unicode_ascii},
        {"unicode_compact", python.unicode_compact},
        {"unicode_pointer", python.unicode_compact},
        {"state_kind", 7ULL << python.unicode_kind_shift},
        {"state_compact", 8ULL << python.unicode_kind_shift},
        {"state_ascii", 16ULL << python.unicode_kind_shift},
        {"bytes_length", python.bytes_length},
        {"bytes_data", python.bytes_data},
    };
    if (version.minor < 12) values["runtime_current_thread"] = offsets.runtime_current_thread;
    if (version.minor < 11) {
        values["f_lasti_bytes"] = 4;
    } else {
        values["frame_owner"] = python.frame_base + python.frame_owner;
        values["owner_bytes"] = 1;
        values["owner_generator"] = python.owner_generator;
        values["code_first_instruction"] = python.code_first_instruction;
        values["code_first_traceable"] = python.code_first_traceable;
        values["_co_firsttraceable_bytes"] = 4;
    }
    if (version.minor == 11 || version.minor == 12) values["cframe_frame"] = python.cframe_frame;
    if (version.minor >= 12) values["owner_internal"] = python.owner_internal;
    return values;
}

// What a version does not have says so.
void check_absent(const PythonVersion& version, const PythonOffsets& offsets) {
    const mt_python& python = offsets.python;
    if (version.minor >= 12) CHECK(offsets.runtime_current_thread == 0);
    if (version.minor < 12) CHECK(python.owner_internal == MT_NO_OWNER);
    if (version.minor != 11 && version.minor != 12) CHECK(python.cframe_frame == MT_NO_OFFSET);
    CHECK(python.instruction_bytes == (version.minor < 10 ? 1 : version.minor == 10 ? 2 : 0));
    if (version.minor < 11) {
        CHECK(python.owner_generator == MT_NO_OWNER);
        CHECK(python.frame_owner == 0);
        CHECK(python.code_first_traceable == MT_NO_OFFSET);
    }
}

void check_frame_part(const mt_python& python) {
    for (const std::uint32_t word : {python.frame_code, python.frame_previous, python.frame_instruction}) CHECK(word + 8 <= python.frame_span);
    CHECK(python.frame_owner < python.frame_span);
    CHECK(python.frame_span <= MT_FRAME_SPAN);
    CHECK(python.frame_span % 8 == 0);
}

void check_offsets(const PrintedOffsets& printed) {
    INFO("CPython " << printed.version.text());
    const Result<PythonOffsets> offsets = offsets_for(printed.version, printed.runtime);
    INFO((offsets ? "" : offsets.error().what));
    REQUIRE(offsets);
    const std::map<std::string, std::uint64_t> values = expected(printed.version, *offsets);
    for (const auto& [name, value] : printed.values) {
        INFO(name);
        REQUIRE(values.contains(name));
        CHECK(values.at(name) == value);
    }
    CHECK(values.size() == printed.values.size());
    check_absent(printed.version, *offsets);
    check_frame_part(offsets->python);
}

}  // namespace

RULE("offsets are those of each CPython's own headers, with and without Py_DEBUG") {
    std::set<unsigned> missing = {8, 9, 10, 11, 12, 13, 14, 15};
    for (const fs::path& include : includes_or_skip()) {
        INFO(include);
        const PrintedOffsets release = print_offsets(include, {});
        check_offsets(release);
        const PrintedOffsets debug = print_offsets(include, {"Py_DEBUG=1"});
        check_offsets(debug);
        CHECK(debug.values == release.values);
        missing.erase(release.version.minor);
    }
    for (const unsigned minor : missing) std::cout << "not verified here, for want of headers: offsets for CPython 3." << minor << "\n";
}

RULE("debug offsets stand where each CPython's own headers have them") {
    bool any = false;
    for (const fs::path& include : includes_or_skip()) {
        const PrintedOffsets printed = print_offsets(include, {});
        if (printed.version.minor < 13) continue;
        INFO(include);
        CHECK(DebugOffsets(printed.version.minor).places() == printed.places);
        any = true;
    }
    if (!any) skip("no headers of CPython 3.13 or newer (see PYTHON_INCLUDES)");
}

RULE("the debug offsets of free-threaded builds are refused as such") {
    bool any = false;
    for (const fs::path& include : includes_or_skip()) {
        if (print_offsets(include, {}).version.minor < 13) continue;
        INFO(include);
        const PrintedOffsets printed = print_offsets(include, {"Py_GIL_DISABLED=1"});
        const Result<PythonOffsets> offsets = offsets_for(printed.version, printed.runtime);
        REQUIRE_FALSE(offsets);
        CHECK(offsets.error().what.find("free-threaded build") != std::string::npos);
        any = true;
    }
    if (!any) skip("no headers of CPython 3.13 or newer (see PYTHON_INCLUDES)");
}
