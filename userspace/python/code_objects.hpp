// What the kernel side copied of code objects: file, function and line table, to turn a position into a place in the source.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "memtrace.h"
#include "python/line_table.hpp"

namespace memtrace {

/// Text of a copied str object as UTF-8; bytes that were no UTF-8 when Python decoded a file name (lone surrogates DC80..DCFF)
/// come back as they were. "…" ends a text that was cut.
std::string decode_name(const mt_name& name);

/// A frame's function and, as CodePosition tells it, its place.
struct PythonLocation {
    std::string file;
    std::string function;
    std::uint32_t line = 0;
    std::uint32_t end_line = 0;
    std::uint32_t column = 0;
    std::uint32_t end_column = 0;
};

/// Code objects by address and generation. A copy serves all generations of its address until a newer copy comes.
class CodeObjects {
public:
    /// `linetable`: the whole table; may be longer than what the event holds.
    void add(const mt_code_event& event, LineTableFormat format, std::vector<std::byte> linetable);
    /// False: no copy of it ever arrived.
    bool find(std::uint32_t slot, std::uint64_t code, std::uint32_t generation, std::int32_t position, PythonLocation& location) const;

private:
    struct Code {
        std::string file;
        std::string function;
        std::uint32_t first_line = 0;
        LineTableFormat format = LineTableFormat::locations;
        std::vector<std::byte> linetable;
    };
    using Key = std::pair<std::pair<std::uint32_t, std::uint64_t>, std::uint32_t>;  // ((slot, code), generation)
    std::map<Key, Code> codes_;
};

}  // namespace memtrace
