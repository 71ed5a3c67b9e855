#include "printed_offsets.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

namespace memtrace::test {
namespace fs = std::filesystem;

namespace {

// The runtime's initialiser names half the interpreter: only its first part is printed, so the linker may leave the rest unresolved.
constexpr const char* printer = R"(
#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <internal/pycore_pystate.h>
#include <internal/pycore_code.h>
#if PY_VERSION_HEX >= 0x030b0000
#include <internal/pycore_ceval.h>
#include <internal/pycore_frame.h>
#include <internal/pycore_runtime.h>
#include <internal/pycore_runtime_init.h>
#else
#include <frameobject.h>
#endif
#if PY_VERSION_HEX >= 0x03090000
#include <internal/pycore_runtime.h>
#endif
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_debug_offsets.h>
#include <internal/pycore_interpframe.h>
#endif

#define SHOW(name, value) printf("%s %zu\n", name, (size_t)(value))
#define AT(name, type, member) SHOW(name, offsetof(type, member))
#define WIDTH(type, member) SHOW(#member "_bytes", sizeof ((type *)0)->member)
#define STATE(name, member, value)                    \
    memset(&text, 0, sizeof text);                    \
    text.state.member = value;                        \
    memcpy(&state, &text.state, sizeof state);        \
    SHOW(name, state)
#define PLACE(member) AT("place " #member, _Py_DebugOffsets, member)

#if PY_VERSION_HEX >= 0x030e0000
#define DEBUG_OFFSETS offsets
static const _Py_DebugOffsets offsets = _Py_DebugOffsets_INIT("xdebugpy");
#elif PY_VERSION_HEX >= 0x030d0000
static _PyRuntimeState runtime = _PyRuntimeState_INIT(runtime, "xdebugpy");
#define DEBUG_OFFSETS runtime.debug_offsets
#endif

static void show_frames(void)
{
    AT("thread_id", PyThreadState, thread_id);
#if PY_VERSION_HEX < 0x030c0000
    AT("runtime_current_thread", _PyRuntimeState, gilstate.tstate_current);
#endif
#if PY_VERSION_HEX < 0x030b0000
    AT("thread_frame", PyThreadState, frame);
    AT("frame_code", PyFrameObject, f_code);
    AT("frame_previous", PyFrameObject, f_back);
    AT("frame_instruction", PyFrameObject, f_lasti);
    WIDTH(PyFrameObject, f_lasti);
#else
#if PY_VERSION_HEX < 0x030d0000
    AT("thread_frame", PyThreadState, cframe);
    AT("cframe_frame", _PyCFrame, current_frame);
    AT("frame_code", _PyInterpreterFrame, f_code);
    AT("frame_instruction", _PyInterpreterFrame, prev_instr);
#else
    AT("thread_frame", PyThreadState, current_frame);
    AT("frame_code", _PyInterpreterFrame, f_executable);
    AT("frame_instruction", _PyInterpreterFrame, instr_ptr);
#endif
    AT("frame_previous", _PyInterpreterFrame, previous);
    AT("frame_owner", _PyInterpreterFrame, owner);
    WIDTH(_PyInterpreterFrame, owner);
    SHOW("owner_generator", FRAME_OWNED_BY_GENERATOR);
#if PY_VERSION_HEX >= 0x030e0000
    SHOW("owner_internal", FRAME_OWNED_BY_INTERPRETER);
#elif PY_VERSION_HEX >= 0x030c0000
    SHOW("owner_internal", FRAME_OWNED_BY_CSTACK);
#endif
#endif
}

static void show_code(void)
{
    SHOW("code_unit_bytes", sizeof(_Py_CODEUNIT));
    AT("code_first_line", PyCodeObject, co_firstlineno);
    WIDTH(PyCodeObject, co_firstlineno);
    AT("code_filename", PyCodeObject, co_filename);
#if PY_VERSION_HEX >= 0x030b0000
    AT("code_first_instruction", PyCodeObject, co_code_adaptive);
    AT("code_first_traceable", PyCodeObject, _co_firsttraceable);
    WIDTH(PyCodeObject, _co_firsttraceable);
    AT("code_name", PyCodeObject, co_qualname);
#else
    AT("code_name", PyCodeObject, co_name);
#endif
#if PY_VERSION_HEX >= 0x030a0000
    AT("code_linetable", PyCodeObject, co_linetable);
#else
    AT("code_linetable", PyCodeObject, co_lnotab);
#endif
}

static void show_texts(void)
{
    PyASCIIObject text;
    unsigned state;

    AT("unicode_length", PyASCIIObject, length);
    AT("unicode_state", PyASCIIObject, state);
    SHOW("unicode_ascii", sizeof(PyASCIIObject));
    SHOW("unicode_compact", sizeof(PyCompactUnicodeObject));
    AT("unicode_pointer", PyUnicodeObject, data);
    STATE("state_kind", kind, 7);
    STATE("state_compact", compact, 1);
    STATE("state_ascii", ascii, 1);
    AT("bytes_length", PyVarObject, ob_size);
    AT("bytes_data", PyBytesObject, ob_sval);
}

int main(void)
{
    SHOW("version", PY_VERSION_HEX);
    show_frames();
    show_code();
    show_texts();
#if PY_VERSION_HEX >= 0x030d0000
    PLACE(version);
    PLACE(free_threaded);
    PLACE(thread_state.size);
    PLACE(thread_state.current_frame);
    PLACE(thread_state.thread_id);
    PLACE(interpreter_frame.size);
    PLACE(interpreter_frame.previous);
    PLACE(interpreter_frame.executable);
    PLACE(interpreter_frame.instr_ptr);
    PLACE(interpreter_frame.owner);
    PLACE(code_object.size);
    PLACE(code_object.filename);
    PLACE(code_object.qualname);
    PLACE(code_object.linetable);
    PLACE(code_object.firstlineno);
    PLACE(code_object.co_code_adaptive);
    PLACE(bytes_object.size);
    PLACE(bytes_object.ob_size);
    PLACE(bytes_object.ob_sval);
    PLACE(unicode_object.size);
    PLACE(unicode_object.state);
    PLACE(unicode_object.length);
    PLACE(unicode_object.asciiobject_size);
    _Static_assert(offsetof(_PyRuntimeState, debug_offsets) == 0, "the runtime begins with them");
    for (size_t i = 0; i < sizeof DEBUG_OFFSETS; i++)
        printf("byte %u\n", ((const unsigned char *)&DEBUG_OFFSETS)[i]);
#endif
}
)";

void add_folders(const fs::path& parent, std::vector<fs::path>& includes) {
    for (unsigned minor = 8; minor <= 15; ++minor) {
        const fs::path folder = parent / ("python3." + std::to_string(minor));
        if (fs::exists(folder / "internal/pycore_pystate.h")) includes.push_back(folder);
    }
}

}  // namespace

std::vector<fs::path> python_includes() {
    std::vector<fs::path> includes;
    add_folders("/usr/include", includes);
    const char* home = std::getenv("HOME");
    std::error_code unreadable;
    for (const auto& version : fs::directory_iterator(fs::path(home != nullptr ? home : "/root") / ".pyenv/versions", unreadable))
        add_folders(version.path() / "include", includes);
    const char* named = std::getenv("PYTHON_INCLUDES");
    std::istringstream folders(named != nullptr ? named : "");
    for (std::string folder; std::getline(folders, folder, ':');)
        if (!folder.empty()) includes.emplace_back(folder);
    std::ranges::sort(includes);
    return includes;
}

PrintedOffsets print_offsets(const fs::path& include, const std::vector<std::string>& macros) {
    const TemporaryFolder folder;
    write_text(folder.file("printer.c"), printer);
    // The parent: pyconfig.h of some distributions stands beside the folder.
    std::vector<std::string> command = {
        "gcc", "-w", "-no-pie", "-Wl,--unresolved-symbols=ignore-all", "-I", include, "-I", include / "internal", "-I", include.parent_path()};
    for (const std::string& macro : macros) command.push_back("-D" + macro);
    command.insert(command.end(), {"-o", folder.file("printer"), folder.file("printer.c")});
    Child compiler = run(command);
    if (compiler.wait() == Ending{false, 127}) skip("there is no gcc");
    INFO(compiler.transcript());
    REQUIRE(compiler.wait() == Ending{false, 0});
    Child program = run({folder.file("printer")});
    REQUIRE(program.wait() == Ending{false, 0});

    PrintedOffsets printed;
    std::istringstream words(program.output());
    std::string name;
    std::uint64_t value = 0;
    while (words >> name) {
        std::string field;
        if (name == "place") words >> field;
        REQUIRE(words >> value);
        if (name == "place") {
            printed.places[field] = value;
        } else if (name == "byte") {
            printed.runtime.push_back(static_cast<std::byte>(value));
        } else {
            printed.values[name] = value;
        }
    }
    printed.version = PythonVersion::from_hex(printed.values.at("version"));
    printed.values.erase("version");
    if (!printed.runtime.empty()) printed.runtime.resize(std::max(printed.runtime.size(), python_runtime_bytes));
    return printed;
}

}  // namespace memtrace::test
