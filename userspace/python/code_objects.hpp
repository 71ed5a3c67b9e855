// What the kernel side copied of code objects: file, function and line table, to turn a position into a line.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "python/line_table.hpp"

namespace memtrace {

/// Text of a str object as UTF-8, from its characters of `kind` bytes (1, 2, 4); bytes that were no UTF-8 when Python decoded a file
/// name (lone surrogates DC80..DCFF) come back as they were. "<unreadable>" for any other kind; "…" ends a text that was cut.
std::string decode_text(std::uint32_t kind, std::span<const std::byte> characters, bool cut);

struct PythonLocation {
    std::string file;
    std::string function;
    CodePosition position;
};

/// Code objects by what identifies them (memtrace.h: a hash of all that is kept here), however often they were made anew.
class CodeObjects {
public:
    struct Code {
        std::string file;
        std::string function;
        std::uint32_t first_line = 0;
        LineTableFormat format = LineTableFormat::locations;
        std::vector<std::byte> linetable;
    };
    void add(std::uint64_t identity, Code code) { codes_.insert_or_assign(identity, std::move(code)); }
    /// Nothing: no copy of it ever arrived. `position`: signed bytes from the first instruction.
    [[nodiscard]] std::optional<PythonLocation> find(std::uint64_t identity, std::int32_t position) const;

private:
    std::unordered_map<std::uint64_t, Code> codes_;
};

}  // namespace memtrace
