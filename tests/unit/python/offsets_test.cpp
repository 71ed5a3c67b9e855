// Our table of CPython's structures against the headers of the versions it stands for: a C program prints what the compiler says.
#include "python/offsets.hpp"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

using namespace memtrace;
using namespace memtrace::test;
namespace fs = std::filesystem;

namespace {

// Names as in struct mt_python; frames are counted from frame_base.
constexpr const char* printer_3_11 = R"(
#define Py_BUILD_CORE 1
#include <Python.h>
#include <internal/pycore_code.h>
#include <internal/pycore_frame.h>
#include <internal/pycore_runtime.h>
#include <stddef.h>
#define SHOW(name, value) printf("%s %zu\n", name, (size_t)(value))
#define FRAME(member) (offsetof(_PyInterpreterFrame, member))
int main(void)
{
    SHOW("version", PY_VERSION_HEX);
    SHOW("runtime_current_thread", offsetof(_PyRuntimeState, gilstate.tstate_current));
    SHOW("thread_id", offsetof(PyThreadState, thread_id));
    SHOW("thread_cframe", offsetof(PyThreadState, cframe));
    SHOW("cframe_frame", offsetof(_PyCFrame, current_frame));
    SHOW("frame_code", FRAME(f_code));
    SHOW("frame_previous", FRAME(previous));
    SHOW("frame_instruction", FRAME(prev_instr));
    SHOW("frame_owner", FRAME(owner));
    SHOW("owner_bytes", sizeof ((_PyInterpreterFrame *)0)->owner);
    SHOW("owner_generator", FRAME_OWNED_BY_GENERATOR);
    SHOW("instruction_bytes", sizeof(_Py_CODEUNIT));
    SHOW("code_first_instruction", offsetof(PyCodeObject, co_code_adaptive));
    SHOW("code_first_traceable", offsetof(PyCodeObject, _co_firsttraceable));
    SHOW("traceable_bytes", sizeof ((PyCodeObject *)0)->_co_firsttraceable);
    SHOW("code_first_line", offsetof(PyCodeObject, co_firstlineno));
    SHOW("line_bytes", sizeof ((PyCodeObject *)0)->co_firstlineno);
    SHOW("code_filename", offsetof(PyCodeObject, co_filename));
    SHOW("code_qualname", offsetof(PyCodeObject, co_qualname));
    SHOW("code_linetable", offsetof(PyCodeObject, co_linetable));
    SHOW("unicode_length", offsetof(PyASCIIObject, length));
    SHOW("unicode_state", offsetof(PyASCIIObject, state));
    SHOW("unicode_ascii", sizeof(PyASCIIObject));
    SHOW("unicode_compact", sizeof(PyCompactUnicodeObject));
    SHOW("bytes_length", offsetof(PyVarObject, ob_size));
    SHOW("bytes_data", offsetof(PyBytesObject, ob_sval));
    PyASCIIObject text;
    memset(&text, 0, sizeof text);
    text.state.kind = PyUnicode_2BYTE_KIND;
    SHOW("state_kind_2", *(unsigned *)&text.state);
    text.state.kind = 0;
    text.state.ascii = 1;
    SHOW("state_ascii", *(unsigned *)&text.state);
}
)";

std::map<std::string, std::uint64_t> compiled_offsets(const std::string& include) {
    if (!fs::exists(include + "/internal/pycore_frame.h")) skip("no internal headers in " + include + " (python3.11-dev)");
    const TemporaryFolder folder;
    write_text(folder.file("printer.c"), printer_3_11);
    Child compiler = run({"gcc", "-w", "-I", include, "-I", include + "/internal", "-o", folder.file("printer"), folder.file("printer.c")});
    if (compiler.wait() == Ending{false, 127}) skip("there is no gcc");
    INFO(compiler.transcript());
    REQUIRE(compiler.wait() == Ending{false, 0});
    Child printer = run({folder.file("printer")});
    REQUIRE(printer.wait() == Ending{false, 0});
    std::map<std::string, std::uint64_t> offsets;
    std::istringstream text(printer.output());
    std::string name;
    for (std::uint64_t value = 0; text >> name >> value;) offsets[name] = value;
    return offsets;
}

void check_offsets(const std::string& include) {
    std::map<std::string, std::uint64_t> compiled = compiled_offsets(include);
    const PythonVersion version = PythonVersion::from_hex(compiled["version"]);
    INFO(include << ", CPython " << version.text());
    const std::optional<PythonOffsets> ours = offsets_for(version);
    REQUIRE(ours);
    const mt_python& python = ours->python;
    const std::map<std::string, std::uint64_t> table = {
        {"version", compiled["version"]},
        {"runtime_current_thread", ours->runtime_current_thread},
        {"thread_id", python.thread_id},
        {"thread_cframe", python.thread_cframe},
        {"cframe_frame", python.cframe_frame},
        {"frame_code", python.frame_base + python.frame_code},
        {"frame_previous", python.frame_base + python.frame_previous},
        {"frame_instruction", python.frame_base + python.frame_instruction},
        {"frame_owner", python.frame_base + python.frame_owner},
        {"owner_bytes", 1},  // python_frame_hidden() reads one byte
        {"owner_generator", python.owner_generator},
        {"instruction_bytes", 2},  // code_first_traceable counts such units
        {"code_first_instruction", python.code_first_instruction},
        {"code_first_traceable", python.code_first_traceable},
        {"traceable_bytes", 4},
        {"code_first_line", python.code_first_line},
        {"line_bytes", 4},
        {"code_filename", python.code_filename},
        {"code_qualname", python.code_qualname},
        {"code_linetable", python.code_linetable},
        {"unicode_length", python.unicode_length},
        {"unicode_state", python.unicode_state},
        {"unicode_ascii", python.unicode_ascii},
        {"unicode_compact", python.unicode_compact},
        {"bytes_length", python.bytes_length},
        {"bytes_data", python.bytes_data},
        {"state_kind_2", 2 << 2},  // struct mt_name: kind in bits 2-4, ascii in bit 6
        {"state_ascii", 1 << 6},
    };
    for (const auto& [name, value] : compiled) {
        INFO(name);
        REQUIRE(table.contains(name));
        CHECK(table.at(name) == value);
    }
    CHECK(table.size() == compiled.size());
    // All that is read of a frame at once lies in the span, which the kernel side has room for.
    for (const std::uint32_t word : {python.frame_code, python.frame_previous, python.frame_instruction}) CHECK(word + 8 <= python.frame_span);
    CHECK(python.frame_owner < python.frame_span);
    CHECK(python.frame_span <= MT_FRAME_SPAN);
    CHECK(python.present == 1);
    CHECK(python.current_thread == 0);
}

}  // namespace

RULE("offsets for CPython 3.11 are those of the distribution's headers") { check_offsets("/usr/include/python3.11"); }

RULE("offsets for CPython 3.11 are those of every 3.11 that pyenv has built") {
    const char* home = std::getenv("HOME");
    const fs::path versions = fs::path(home != nullptr ? home : "/root") / ".pyenv/versions";
    std::error_code unreadable;
    unsigned checked = 0;
    for (const auto& version : fs::directory_iterator(versions, unreadable)) {
        if (!version.path().filename().string().starts_with("3.11.")) continue;
        check_offsets(version.path() / "include/python3.11");
        ++checked;
    }
    if (checked == 0) skip("no CPython 3.11 in " + versions.string());
}

RULE("a version is taken apart from PY_VERSION_HEX and spelled with dots") {
    CHECK(PythonVersion::from_hex(0x030b02f0) == PythonVersion{3, 11, 2});
    CHECK(PythonVersion::from_hex(0x030b02f0).text() == "3.11.2");
    CHECK(PythonVersion::from_hex(0x030ec0a1).text() == "3.14.192");
}

RULE("versions without a row have no offsets") {
    for (const auto& [major, minor] : {std::pair{2U, 11U}, {3U, 7U}, {3U, 10U}, {3U, 99U}, {4U, 11U}, {0U, 0U}})
        CHECK_FALSE(offsets_for({major, minor, 0}));
    CHECK(offsets_for({3, 11, 0}));
    CHECK(offsets_for({3, 11, 255}));
}
