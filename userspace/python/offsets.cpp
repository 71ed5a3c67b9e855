#include "python/offsets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace memtrace {
namespace {

// Turns frame offsets that count from the beginning of a frame into what is read of it at once: 8-byte words from the first field to
// the last one.
constexpr mt_python frame_part(mt_python python) {
    const bool owned = python.owner_generator != MT_NO_OWNER;
    const auto [first, last] = std::minmax({python.frame_code, python.frame_previous, python.frame_instruction});
    std::uint32_t base = first;
    std::uint32_t end = last + 8;  // an instruction that is an int is read with its neighbour
    if (owned) {
        base = std::min(base, python.frame_owner & ~7U);
        end = std::max(end, (python.frame_owner & ~7U) + 8);
    }
    python.frame_base = base;
    python.frame_code -= base;
    python.frame_previous -= base;
    python.frame_instruction -= base;
    python.frame_owner = owned ? python.frame_owner - base : 0;
    python.frame_span = end - base;
    return python;
}

// Up to 3.12: rows. Sources, of each minor: Include/frameobject.h or internal/pycore_frame.h, and
// Include/cpython/{pystate,code,unicodeobject,bytesobject}.h. Frame offsets count from the beginning of the frame here.

constexpr mt_python python_3_8 = {
    // and 3.9
    .thread_id = 176,
    .thread_frame = 24,
    .cframe_frame = MT_NO_OFFSET,
    .frame_code = 32,
    .frame_previous = 24,
    .frame_instruction = 104,  // f_lasti
    .instruction_bytes = 1,
    .owner_generator = MT_NO_OWNER,
    .owner_internal = MT_NO_OWNER,
    .code_first_traceable = MT_NO_OFFSET,
    .code_first_line = 40,
    .code_filename = 104,
    .code_name = 112,
    .code_linetable = 120,  // co_lnotab
    .unicode_length = 16,
    .unicode_state = 32,
    .unicode_kind_shift = 2,
    .unicode_ascii = 48,
    .unicode_compact = 72,
    .bytes_length = 16,
    .bytes_data = 32,
};

constexpr mt_python python_3_10 = [] {
    mt_python python = python_3_8;
    python.frame_instruction = 96;
    python.instruction_bytes = 2;
    return python;
}();

constexpr mt_python python_3_11 = {
    .thread_id = 152,
    .thread_frame = 56,  // cframe
    .cframe_frame = 8,
    .frame_code = 32,
    .frame_previous = 48,
    .frame_instruction = 56,  // prev_instr
    .frame_owner = 69,
    .owner_generator = 1,  // FRAME_OWNED_BY_GENERATOR
    .owner_internal = MT_NO_OWNER,
    .code_first_instruction = 184,
    .code_first_traceable = 168,
    .code_first_line = 72,
    .code_filename = 112,
    .code_name = 128,  // co_qualname
    .code_linetable = 136,
    .unicode_length = 16,
    .unicode_state = 32,
    .unicode_kind_shift = 2,
    .unicode_ascii = 48,
    .unicode_compact = 72,
    .bytes_length = 16,
    .bytes_data = 32,
};

constexpr mt_python python_3_12 = {
    .thread_id = 136,
    .thread_frame = 56,  // cframe
    .cframe_frame = 0,
    .frame_code = 0,
    .frame_previous = 8,
    .frame_instruction = 56,  // prev_instr
    .frame_owner = 70,
    .owner_generator = 1,
    .owner_internal = 3,  // FRAME_OWNED_BY_CSTACK
    .code_first_instruction = 192,
    .code_first_traceable = 176,
    .code_first_line = 68,
    .code_filename = 112,
    .code_name = 128,
    .code_linetable = 136,
    .unicode_length = 16,
    .unicode_state = 32,
    .unicode_kind_shift = 2,
    .unicode_ascii = 40,
    .unicode_compact = 56,
    .bytes_length = 16,
    .bytes_data = 32,
};

struct Row {
    unsigned minor;
    PythonOffsets offsets;
};
constexpr Row rows[] = {
    {8, {.runtime_current_thread = 1368, .lines = LineTableFormat::lnotab, .python = frame_part(python_3_8)}},
    {9, {.runtime_current_thread = 568, .lines = LineTableFormat::lnotab, .python = frame_part(python_3_8)}},
    {10, {.runtime_current_thread = 568, .lines = LineTableFormat::line_deltas, .python = frame_part(python_3_10)}},
    {11, {.runtime_current_thread = 576, .lines = LineTableFormat::locations, .python = frame_part(python_3_11)}},
    {12, {.runtime_current_thread = 0, .lines = LineTableFormat::locations, .python = frame_part(python_3_12)}},
};
static_assert(std::ranges::all_of(rows, [](const Row& row) { return row.offsets.python.frame_span <= MT_FRAME_SPAN; }));

// From 3.13 on: _Py_DebugOffsets. Source: Include/internal/pycore_runtime.h (3.13), pycore_debug_offsets.h. 64-bit words: the cookie,
// the version, whether it is free-threaded, then one group a structure, the first word of which is the structure's size.

constexpr std::string_view debug_cookie = "xdebugpy";
constexpr std::size_t version_at = 8;
constexpr std::size_t free_threaded_at = 16;

struct DebugRow {
    unsigned minor;
    // Where groups begin, in bytes; one word that moved within its group.
    std::uint32_t thread_state, interpreter_frame, code_object, bytes_object, unicode_object;
    std::uint32_t thread_id_word;
    // What the interpreter does not tell.
    std::uint32_t code_first_traceable;
    std::uint32_t owner_internal;  // 3.13: FRAME_OWNED_BY_CSTACK; later FRAME_OWNED_BY_INTERPRETER
    std::uint32_t unicode_kind_shift;
};
constexpr DebugRow debug_rows[] = {
    // minor, thread, frame, code, bytes, unicode | thread_id | traceable, internal, kind
    {13, 152, 224, 272, 512, 536, 5, 184, 3, 2},
    {14, 176, 248, 312, 592, 616, 5, 192, 3, 2},
    {15, 176, 312, 376, 688, 712, 8, 192, 3, 2},
};
constexpr std::uint32_t unicode_words = 5;
static_assert(std::ranges::all_of(debug_rows, [](const DebugRow& row) { return row.unicode_object + unicode_words * 8 <= python_runtime_bytes; }));

// No structure we read is larger: a size beyond it is no size.
constexpr std::uint64_t max_structure_bytes = 4096;
constexpr std::uint32_t object_header_bytes = 16;

struct Field {
    const char* name;
    std::uint32_t word;   // in the group
    std::uint32_t bytes;  // read there, and its alignment: 1, 2, 4 or 8
    std::uint32_t mt_python::*offset;
};
struct Group {
    const char* structure;
    std::uint32_t at;     // in _Py_DebugOffsets
    std::uint32_t least;  // before it no field can be
    std::span<const Field> fields;
};

class DebugOffsets {
public:
    static Result<DebugOffsets> open(const PythonVersion& version, std::span<const std::byte> runtime);
    [[nodiscard]] Result<mt_python> read(const DebugRow& row) const;

private:
    DebugOffsets(const PythonVersion& version, std::span<const std::byte> runtime) : version_(version), runtime_(runtime) {}
    [[nodiscard]] std::uint64_t word(std::size_t at) const {
        std::uint64_t value = 0;
        std::memcpy(&value, runtime_.data() + at, sizeof(value));
        return value;
    }
    [[nodiscard]] Error refused(std::string_view reason) const {
        return Error{fmt::format("CPython {}: {}", version_.text(), reason),
                     "a damaged process, a modified build or an early pre-release; releases up to 3.15 are understood"};
    }
    [[nodiscard]] Result<void> take(const Group& group, mt_python& python) const;

    PythonVersion version_;
    std::span<const std::byte> runtime_;
};

Result<DebugOffsets> DebugOffsets::open(const PythonVersion& version, std::span<const std::byte> runtime) {
    const DebugOffsets table(version, runtime);
    if (runtime.size() < python_runtime_bytes) return table.refused("the beginning of _PyRuntime is not readable");
    if (std::memcmp(runtime.data(), debug_cookie.data(), debug_cookie.size()) != 0)
        return table.refused("_PyRuntime does not begin with the interpreter's debug offsets");
    const std::uint64_t hex = table.word(version_at);
    const PythonVersion said = PythonVersion::from_hex(hex);
    if (hex >> 32 != 0 || said.major != version.major || said.minor != version.minor)
        return table.refused(fmt::format("its debug offsets are those of version {:#x}", hex));
    if (table.word(free_threaded_at) != 0)
        return Error{fmt::format("CPython {} is a free-threaded build: its objects and its running code are laid out differently", version.text()),
                     "the default build of the same version can be traced"};
    constexpr std::uint64_t alpha = 0xa;
    if ((hex >> 4 & 0xf) == alpha) return table.refused("an alpha release, whose structures were not settled");
    return table;
}

Result<void> DebugOffsets::take(const Group& group, mt_python& python) const {
    const std::uint64_t size = word(group.at);
    if (size <= group.least || size > max_structure_bytes || size % 8 != 0)
        return refused(fmt::format("its debug offsets give {} a size of {}", group.structure, size));
    std::uint64_t taken[max_structure_bytes / 64] = {};  // one bit a byte of the structure: no two fields share one
    for (const Field& field : group.fields) {
        const std::uint64_t offset = word(group.at + field.word * 8);
        // An aligned field that begins inside ends inside: the size is in whole words.
        bool possible = offset >= group.least && offset < size && offset % field.bytes == 0;
        for (std::uint64_t byte = offset; possible && byte < offset + field.bytes; ++byte) {
            possible = (taken[byte / 64] >> byte % 64 & 1) == 0;
            taken[byte / 64] |= 1ULL << byte % 64;
        }
        if (!possible) return refused(fmt::format("its debug offsets place {} of {} at {} of {}", field.name, group.structure, offset, size));
        python.*field.offset = static_cast<std::uint32_t>(offset);
    }
    return {};
}

Result<mt_python> DebugOffsets::read(const DebugRow& row) const {
    const Field thread[] = {{"current_frame", 4, 8, &mt_python::thread_frame}, {"thread_id", row.thread_id_word, 8, &mt_python::thread_id}};
    constexpr Field frame[] = {{"previous", 1, 8, &mt_python::frame_previous},
                               {"f_executable", 2, 8, &mt_python::frame_code},
                               {"instr_ptr", 3, 8, &mt_python::frame_instruction},
                               {"owner", 5, 1, &mt_python::frame_owner}};
    constexpr Field code[] = {{"co_filename", 1, 8, &mt_python::code_filename},
                              {"co_qualname", 3, 8, &mt_python::code_name},
                              {"co_linetable", 4, 8, &mt_python::code_linetable},
                              {"co_firstlineno", 5, 4, &mt_python::code_first_line},
                              {"co_code_adaptive", 9, 2, &mt_python::code_first_instruction}};
    constexpr Field bytes[] = {{"ob_size", 1, 8, &mt_python::bytes_length}, {"ob_sval", 2, 1, &mt_python::bytes_data}};
    constexpr Field unicode[] = {{"state", 1, 4, &mt_python::unicode_state},
                                 {"length", 2, 8, &mt_python::unicode_length},
                                 {"asciiobject_size", 3, 8, &mt_python::unicode_ascii}};
    const Group groups[] = {{"PyThreadState", row.thread_state, 8, thread},
                            {"_PyInterpreterFrame", row.interpreter_frame, 0, frame},
                            {"PyCodeObject", row.code_object, object_header_bytes, code},
                            {"PyBytesObject", row.bytes_object, object_header_bytes, bytes},
                            {"PyUnicodeObject", row.unicode_object, object_header_bytes, unicode}};
    mt_python python{};
    for (const Group& group : groups)
        if (Result<void> taken = take(group, python); !taken) return std::move(taken).error();

    // PyUnicodeObject is PyCompactUnicodeObject and a pointer; that one begins with PyASCIIObject.
    python.unicode_compact = static_cast<std::uint32_t>(word(row.unicode_object)) - 8;
    if (python.unicode_compact <= python.unicode_ascii) return refused("its debug offsets leave no room for strings that are not ASCII");
    if (row.code_first_traceable + 4 > word(row.code_object)) return refused("its PyCodeObject has no room for _co_firsttraceable");
    python.cframe_frame = MT_NO_OFFSET;
    python.owner_generator = 1;
    python.owner_internal = row.owner_internal;
    python.code_first_traceable = row.code_first_traceable;
    python.unicode_kind_shift = row.unicode_kind_shift;
    python = frame_part(python);
    if (python.frame_span > MT_FRAME_SPAN) return refused(fmt::format("its debug offsets spread a frame's fields over {} bytes", python.frame_span));
    return python;
}

}  // namespace

PythonVersion PythonVersion::from_hex(std::uint64_t hex) {
    return {static_cast<unsigned>(hex >> 24 & 0xff), static_cast<unsigned>(hex >> 16 & 0xff), static_cast<unsigned>(hex >> 8 & 0xff)};
}

std::string PythonVersion::text() const { return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(micro); }

Result<PythonOffsets> offsets_for(const PythonVersion& version, std::span<const std::byte> runtime) {
    const auto of_version = [&](const auto& row) { return version.major == 3 && version.minor == row.minor; };
    if (const auto* row = std::ranges::find_if(rows, of_version); row != std::end(rows)) return row->offsets;
    const auto* row = std::ranges::find_if(debug_rows, of_version);
    if (row == std::end(debug_rows)) return Error{"CPython " + version.text() + " is not known", "CPython 3.8 to 3.15 are"};
    Result<DebugOffsets> table = DebugOffsets::open(version, runtime);
    if (!table) return std::move(table).error();
    Result<mt_python> python = table->read(*row);
    if (!python) return std::move(python).error();
    return PythonOffsets{.runtime_current_thread = 0, .lines = LineTableFormat::locations, .python = *python};
}

}  // namespace memtrace
