// What a person has chosen to see, and how keys change it. Pure: what is to be done about it is an Action for others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "screen/key.hpp"
#include "screen/table.hpp"

namespace memtrace::cli::screen {

enum class Page : std::uint8_t { table, callers, checkpoints, losses, help };
/// What is being typed, or asked.
enum class Prompt : std::uint8_t { none, filter, checkpoint, file, replace, clear };
/// What changes are since.
enum class Base : std::uint8_t { previous, first, checkpoint };

/// A place in a list that is longer than the screen.
struct Cursor {
    std::size_t index = 0;  ///< The selected line.
    std::size_t top = 0;    ///< The first one that shows.
    bool follows = false;   ///< Moved by a person: it stays on its line when lines change places. Else it stays at the top.
    bool operator==(const Cursor&) const = default;
};

struct State {
    View view;
    SortBy sort = SortBy::size;
    bool reversed = false;
    Base base = Base::previous;
    std::string base_name;  ///< Of the checkpoint.
    std::string filter;
    bool frozen = false;
    double interval_s = 5;
    Page page = Page::table;
    Cursor table, callers, list, text;
    Prompt prompt = Prompt::none;
    std::string input;
    std::string message;  ///< Of what happened last; until the next key.
    bool is_failure = false;
    std::optional<RowKey> scope;  ///< Only this process.
    std::string scope_name;
    bool wants_blocks = false;  ///< Ages are asked for, which single blocks tell.

    [[nodiscard]] Cursor& cursor() { return page == Page::table ? table : page == Page::callers ? callers : page == Page::checkpoints ? list : text; }
};

/// What the keys act on: as it was drawn last.
struct Facts {
    std::size_t lines = 0;       ///< Of the page's list.
    std::size_t page_lines = 1;  ///< That show at once.
    unsigned first_row = 0;      ///< Of the screen, where the list begins …
    unsigned head_row = 0;       ///< … and where the heads of its columns are.
    struct Head {
        unsigned from = 0, to = 0;
        SortBy sort = SortBy::size;
    };
    std::vector<Head> heads;    ///< Columns that can be sorted by, from left to right.
    bool live = true;           ///< There is a trace to act on; false: files, or its end.
    bool saved = false;         ///< Files, which can be stepped through.
    std::string file_proposal;  ///< Name of a snapshot to be written.
};

/// What a key asks others to do. The state has changed already.
struct Action {
    enum class What : std::uint8_t {
        none,
        quit,
        interrupt,  ///< As Ctrl-C.
        take,       ///< A new state, now.
        interval,   ///< Another one.
        mark,       ///< A checkpoint called `text`.
        list_checkpoints,
        compare,  ///< With the checkpoint on the selected line.
        write,    ///< A snapshot to the file `text`, which must not exist …
        replace,  ///< … or may.
        reset_peak,
        clear,
        open,     ///< The callers of the selected row, or its process.
        earlier,  ///< Saved snapshots: the one before …
        later,    ///< … and after.
        repaint,
    };
    What what = What::none;
    std::string text = {};
    bool operator==(const Action&) const = default;
};

Action press(State& state, const Key& key, const Facts& facts);

/// Keeps the cursor in a list of `lines`, and what shows around it.
void settle(Cursor& cursor, std::size_t lines, std::size_t page_lines);

/// "SIZE", "CHANGE": the head of the column.
const char* head_of(SortBy sort);

}  // namespace memtrace::cli::screen
