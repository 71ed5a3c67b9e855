// The debug offsets a CPython from 3.13 on has at the beginning of _PyRuntime, to be changed as a test likes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "python/offsets.hpp"

namespace memtrace::test {

/// The fields that matter to us as a release of 3.`minor` has them (13, 14 or 15); what lies between holds no possible offset.
class DebugOffsets {
public:
    explicit DebugOffsets(unsigned minor);

    /// A field by its name in _Py_DebugOffsets, "thread_state.current_frame".
    [[nodiscard]] std::uint64_t get(const std::string& field) const;
    DebugOffsets& set(const std::string& field, std::uint64_t value);
    DebugOffsets& set_cookie(const std::string& text);
    /// Where in _Py_DebugOffsets each field is, in bytes.
    [[nodiscard]] const std::map<std::string, std::size_t>& places() const { return places_; }

    [[nodiscard]] PythonVersion version() const { return PythonVersion::from_hex(get("version")); }
    [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

private:
    std::map<std::string, std::size_t> places_;
    std::vector<std::byte> bytes_;
};

}  // namespace memtrace::test
