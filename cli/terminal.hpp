// What the output is: a terminal or a file, how wide, which characters and colours it shows.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace memtrace::cli {

enum class Colour { automatic, always, never };

struct Terminal {
    bool is_terminal = false;
    bool colour = false;   ///< As asked for; by itself on a terminal where NO_COLOR is not set.
    bool unicode = false;  ///< The locale's character set is UTF-8.
    unsigned columns = 0;  ///< 0: unlimited (not a terminal).

    static Terminal of(std::FILE* stream, Colour colour = Colour::automatic);
};

/// Columns a UTF-8 text takes, as the C library sees it in the user's locale; bytes that are no characters count one each.
std::size_t display_width(std::string_view text);

/// The end of `text` that fits `columns`, marked as cut; whole characters only.
std::string keep_right(std::string_view text, std::size_t columns, bool unicode);

/// The beginning of `text` that fits `columns`, marked as cut; whole characters only.
std::string keep_left(std::string_view text, std::size_t columns, bool unicode);

}  // namespace memtrace::cli
