// Line tables of every interpreter found on this machine: each instruction is where the interpreter itself says it is.
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>
#include <vector>

#include "python/line_table.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

// For every code object of thirty modules of the standard library, and of sources made to be unusual: a line "name first_line
// places size table", one place an instruction of two bytes: line:end_line:column:end_column as CodePosition counts them; of the table
// all bytes as numbers. Lines come from what each version offers: dis.findlinestarts, co_lines() or co_positions(); if there is ctypes,
// PyCode_Addr2Line must agree.
constexpr const char* dump = R"py(
import dis, os, sys
try:
    from ctypes import pythonapi, py_object
    def addr2line(code, position):
        return pythonapi.PyCode_Addr2Line(py_object(code), position)
except ImportError:
    addr2line = None
has_lines, has_columns = sys.version_info >= (3, 10), sys.version_info >= (3, 11)
def codes(code):
    yield code
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            yield from codes(constant)
def lines_of(code):
    lines = [code.co_firstlineno] * (len(code.co_code) // 2)
    if has_lines:
        for begin, end, line in code.co_lines():
            lines[begin // 2 : end // 2] = [line or 0] * ((end - begin) // 2)
    else:
        for begin, line in dis.findlinestarts(code):
            lines[begin // 2 :] = [line] * (len(lines) - begin // 2)
    return lines
def places_of(code):
    lines = lines_of(code)
    if not has_columns:
        return [(line, 0, 0, 0) for line in lines]
    places = [(line or 0, end_line or 0, -1 if column is None else column, -1 if end_column is None else end_column)
              for line, end_line, column, end_column in code.co_positions()]
    assert lines == [line for line, *_ in places], code
    # Without a line the rest says nothing.
    return [(line, end, column + 1, end_column + 1) if line else (0, 0, 0, 0) for line, end, column, end_column in places]
def show(code):
    places = places_of(code)
    if addr2line and len(places) < 500:  # it looks from the table's begin each time
        assert addr2line(code, -1) == code.co_firstlineno
        assert [max(addr2line(code, i * 2), 0) for i in range(len(places))] == [place[0] for place in places], code
    table = code.co_linetable if has_lines else code.co_lnotab
    name = code.co_filename + ":" + code.co_name
    print(name, code.co_firstlineno, ",".join("%d:%d:%d:%d" % place for place in places), len(table), *table)
library = os.path.dirname(os.__file__)
names = sorted(name for name in os.listdir(library) if name.endswith(".py"))
for name in names[::max(len(names) // 30, 1)]:
    with open(os.path.join(library, name), "rb") as file:
        for code in codes(compile(file.read(), name, "exec")):
            show(code)
odd = [
    "def f():\n" + "\n" * 100000 + "    return g(\n" + "\n" * 3000 + "1,\n\n2)\n",          # far forward and back
    "def f():\n    " + "; ".join("a%d = 1" % i for i in range(400)) + "\n",                  # hundreds of bytes and columns on a line
    "x = [" + ",\n".join("f(%s)" % ("a, " * 100) for i in range(5)) + "]\n",
    "x = (a +\n" + "\n" * 126 + "b +\n" + "\n" * 127 + "c +\n" + "\n" * 128 + "d)(\n" + "\n" * 254 + "e)\n" + "\n" * 255 + "y = x\n",
    "f(\n g(\n  h(1,\n    2),\n  3)\n  .i(\n4))\n",                                         # lines backwards, many times
    "@a\n@b(\n1)\nclass C(\nB, m=D):\n    'text'\n    x = 1\n\n    @c\n    def f(self, a=\n1, *b, c: int=2):\n        return super().f\n",
    "for a in b:\n    while c:\n        if d: continue\n        if e: break\n    else:\n        f\nelse:\n    g\n",
    "def f():\n  try:\n    return a\n  except (B,\n C) as e:\n    raise D from e\n  else:\n    b\n  finally:\n    with a as b, c as d:\n      e\n",
    "[x for x in\n y if\n z]; {a: b for a in\n c}; {d for d in e}; f = lambda: (g,\nh); (i for i in j)\n",
    "def f():\n" + "".join("    x%d = %d\n" % (i, i) for i in range(300)),
    "".join("if x%d:\n\n    y(%d)\n" % (i, i) for i in range(300)),                         # jumps beyond one byte
    "é = 'ü' + f('日本', \"\U0001f40d\", é)\n",                                              # columns count bytes
    "async def f():\n    async with a:\n        async for b in c:\n            await d\n    return [e async for e in f]\n",
    "def f():\n    yield\n    x = yield from (\n\ny)\n    assert x, (\n'no')\n    del x\n    global z; z = f'{x}{y!r}'\n",
    "", "\n\n\npass",
]
if has_lines:
    odd.append("match a:\n    case [1, {'b': c}] if c:\n        pass\n    case _:\n        raise\n")
for source in odd:
    for code in codes(compile(source, "odd", "exec")):
        show(code)
        show(code.replace(co_firstlineno=1000000))
)py";

// Interpreters of this system and of pyenv that write tables of `format`.
std::set<std::string> interpreters_of(LineTableFormat format) {
    std::set<std::string> found;
    const auto consider = [&](const std::filesystem::path& path) {
        std::error_code error;
        const std::filesystem::path real = std::filesystem::canonical(path, error);
        const std::string name = real.filename();
        std::smatch version;
        if (error || !std::regex_match(name, version, std::regex("python3\\.(\\d+)t?"))) return;
        const int minor = std::stoi(version[1]);
        const auto its_format = minor < 10 ? LineTableFormat::lnotab : minor == 10 ? LineTableFormat::line_deltas : LineTableFormat::locations;
        if (minor >= 8 && its_format == format) found.insert(real);
    };
    consider("/usr/bin/python3");
    const char* home = std::getenv("HOME");
    std::error_code none;
    for (const auto& version : std::filesystem::directory_iterator(std::string(home ? home : "") + "/.pyenv/versions", none))
        for (const auto& program : std::filesystem::directory_iterator(version.path() / "bin", none)) consider(program.path());
    return found;
}

struct Compared {
    std::size_t codes = 0;
    std::size_t instructions = 0;
    std::size_t without_line = 0;
    std::size_t backwards = 0;  ///< Instructions whose line is before that of the one before.
    std::string wrong;
};

std::string text_of(const CodePosition& at) { return fmt::format("{}:{}:{}:{}", at.line, at.end_line, at.column, at.end_column); }

Compared compare(LineTableFormat format, const std::string& interpreters_words) {
    Compared all;
    const auto note = [&all](const std::string& line) {
        if (all.wrong.size() < 1000) all.wrong += line;
    };
    std::istringstream text(interpreters_words);
    for (std::string name, places; text >> name;) {
        std::uint32_t first_line = 0, last_line = 0;
        std::size_t size = 0;
        REQUIRE(text >> first_line >> places >> size);
        std::vector<std::byte> table(size);
        for (std::byte& byte : table) {
            unsigned value = 0;
            text >> value;
            byte = static_cast<std::byte>(value);
        }
        std::istringstream each(places);
        std::int32_t position = 0;
        for (std::string expected; std::getline(each, expected, ','); position += 2) {
            const CodePosition at = position_at(format, table, first_line, position);
            if (text_of(at) != expected) note(fmt::format("{} from line {} at {}: {}, not {}\n", name, first_line, position, text_of(at), expected));
            if (position_at(format, table, first_line, position + 1) != at)
                note(fmt::format("{} differs inside its instruction at {}\n", name, position));
            all.without_line += at.line == 0;
            all.backwards += at.line < last_line;
            last_line = at.line;
            ++all.instructions;
        }
        const bool has_end = format != LineTableFormat::lnotab;
        if (has_end && position_at(format, table, first_line, position) != CodePosition{}) note(name + " has a line behind its end\n");
        ++all.codes;
    }
    return all;
}

void require_agreement(LineTableFormat format, const std::string& versions) {
    const std::set<std::string> interpreters = interpreters_of(format);
    if (interpreters.empty()) skip("no interpreter of Python " + versions + ": neither /usr/bin/python3 nor under ~/.pyenv/versions");
    const TemporaryFolder folder;
    write_text(folder.file("dump.py"), dump);
    for (const std::string& python : interpreters) {
        INFO(python);
        Child interpreter = run({python, "-I", "-S", "-W", "ignore", folder.file("dump.py")}, {.environment = {{"LC_ALL", "C.UTF-8"}}});
        INFO(interpreter.errors());
        REQUIRE(interpreter.wait() == Ending{false, 0});
        const Compared all = compare(format, interpreter.output());
        CHECK(all.wrong == "");
        CHECK(all.codes > 500);
        CHECK(all.instructions > 30'000);
        CHECK(all.backwards > 500);
        // 3.8 and 3.9 give every instruction a line.
        CHECK((all.without_line > 20) == (format != LineTableFormat::lnotab));
    }
}

}  // namespace

RULE("every instruction has the line the interpreter says, by the line tables of 3.8 and 3.9") {
    require_agreement(LineTableFormat::lnotab, "3.8 or 3.9");
}

RULE("every instruction has the line the interpreter says, by the line tables of 3.10") { require_agreement(LineTableFormat::line_deltas, "3.10"); }

RULE("every instruction has the lines and columns the interpreter says, by the location tables since 3.11") {
    require_agreement(LineTableFormat::locations, "3.11 or newer");
}
