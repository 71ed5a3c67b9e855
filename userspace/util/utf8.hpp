// Names as text: UTF-8 as it should be, and bytes that are none as Python reads them from a file system.
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

namespace memtrace {

/// Length in bytes of the character that `text` begins with; 0 when that is not valid UTF-8 (RFC 3629) or `text` is empty.
std::size_t utf8_character_bytes(std::string_view text);
/// Whether all of it is valid UTF-8.
bool is_utf8(std::string_view text);

/// The characters of `text`; a byte that is not part of one becomes U+DC00 plus the byte, as by Python's "surrogateescape".
std::u32string code_points(std::string_view text);

/// How Python orders the two as strings: by code_points().
std::strong_ordering compare_as_python(std::string_view a, std::string_view b);

}  // namespace memtrace
