// Names in CSV: other programs get them back, terminals are not written to.
#pragma once

#include <string>
#include <string_view>

#include "format/text.hpp"
#include "util/utf8.hpp"

namespace memtrace {

/// printable(), but newlines stay, which a quoted field may have.
inline std::string csv_text(std::string_view name) {
    if (!is_utf8(name)) return printable(name);
    std::string text;
    for (std::size_t end; (end = name.find('\n')) != name.npos; name.remove_prefix(end + 1)) text += printable(name.substr(0, end)) + '\n';
    return text + printable(name);
}

}  // namespace memtrace
