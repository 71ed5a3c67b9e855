// Names out of debug information and symbol tables, as people read them.
#pragma once

#include <string>
#include <string_view>

namespace memtrace {

/// "ns::f(int)" for "_ZN2ns1fEi"; other names as they are, and mangled ones too whose text could be out of all proportion.
/// A name longer than 2048 bytes is cut and ends in "...".
std::string demangle(std::string_view name);

/// A source path without "." and ".." parts, as far as text alone can tell; a relative one is taken from `directory` when
/// that is absolute. At most 4096 bytes; of a longer one the end is kept.
std::string source_path(std::string_view directory, std::string_view path);

}  // namespace memtrace
