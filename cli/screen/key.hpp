// What a person does: a key, or the mouse.
#pragma once

#include <cstdint>

namespace memtrace::cli::screen {

struct Key {
    enum class Kind : std::uint8_t {
        character,  ///< `character`; control characters too: 3 is Ctrl-C.
        up,
        down,
        left,
        right,
        page_up,
        page_down,
        home,
        end,
        enter,
        escape,
        backspace,
        help,
        quit,
        click,         ///< At `row` and `column` …
        double_click,  ///< … twice.
        wheel_up,
        wheel_down,
        other,
    };
    Kind kind = Kind::other;
    char32_t character = 0;
    unsigned row = 0, column = 0;  ///< Of the mouse, from 0.
    bool operator==(const Key&) const = default;
};

}  // namespace memtrace::cli::screen
