#include "python/offsets.hpp"

namespace memtrace {
namespace {

// Source: Include/internal/pycore_runtime.h, pycore_frame.h, Include/cpython/{pystate,code,unicodeobject,bytesobject}.h of 3.11.
constexpr std::uint32_t frame_base_3_11 = 32;  // _PyInterpreterFrame.f_code; what we read lies within 40 bytes from there
constexpr PythonOffsets python_3_11{
    .runtime_current_thread = 576,  // _PyRuntimeState.gilstate.tstate_current
    .python =
        {
            .current_thread = 0,
            .thread_id = 152,
            .thread_cframe = 56,
            .cframe_frame = 8,
            .frame_base = frame_base_3_11,
            .frame_code = 32 - frame_base_3_11,
            .frame_previous = 48 - frame_base_3_11,
            .frame_instruction = 56 - frame_base_3_11,
            .frame_owner = 69 - frame_base_3_11,
            .frame_span = 40,
            .owner_generator = 1,  // FRAME_OWNED_BY_GENERATOR
            .code_first_instruction = 184,
            .code_first_traceable = 168,
            .code_first_line = 72,
            .code_filename = 112,
            .code_qualname = 128,
            .code_linetable = 136,
            .unicode_length = 16,
            .unicode_state = 32,
            .unicode_ascii = 48,
            .unicode_compact = 72,
            .bytes_length = 16,
            .bytes_data = 32,
            .present = 1,
        },
};

struct Row {
    unsigned major, minor;
    const PythonOffsets* offsets;
};
constexpr Row rows[] = {{3, 11, &python_3_11}};

}  // namespace

PythonVersion PythonVersion::from_hex(std::uint64_t hex) {
    return {static_cast<unsigned>(hex >> 24 & 0xff), static_cast<unsigned>(hex >> 16 & 0xff), static_cast<unsigned>(hex >> 8 & 0xff)};
}

std::string PythonVersion::text() const { return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(micro); }

std::optional<PythonOffsets> offsets_for(const PythonVersion& version) {
    for (const Row& row : rows)
        if (row.major == version.major && row.minor == version.minor) return *row.offsets;
    return std::nullopt;
}

}  // namespace memtrace
