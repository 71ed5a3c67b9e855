#include "screen/state.hpp"

#include <algorithm>
#include <array>

#include "screen/prompt.hpp"

namespace memtrace::cli::screen {
namespace {

using Kind = Key::Kind;
using What = Action::What;

constexpr std::array intervals_s{0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0};

constexpr char32_t ctrl(char letter) { return static_cast<char32_t>(letter & 0x1f); }

void say(State& state, std::string message, bool is_failure = false) {
    state.message = std::move(message);
    state.is_failure = is_failure;
}

void ask(State& state, Prompt prompt, std::string proposal = {}) {
    state.prompt = prompt;
    state.input = std::move(proposal);
}

void group_by(State& state, GroupBy by) {
    const bool of_frames = by == GroupBy::line || by == GroupBy::file || by == GroupBy::function;
    state.view.by = by;
    if (!of_frames) state.view.cumulative = false;
    state.table = {};
}

void make_cumulative(State& state) {
    View view = state.view;
    view.cumulative = !view.cumulative;
    if (const Result<void> sense = check(view); !sense) return say(state, sense.error().what, true);
    state.view = view;
    say(state, view.cumulative ? "a block counts for every frame of its stack" : "a block counts for the newest frame of its stack");
}

Action change_interval(State& state, bool longer) {
    const double now = state.interval_s;
    if (longer) {
        const auto next = std::find_if(intervals_s.begin(), intervals_s.end(), [&](double s) { return s > now * 1.001; });
        if (next != intervals_s.end()) state.interval_s = *next;
    } else {
        const auto next = std::find_if(intervals_s.rbegin(), intervals_s.rend(), [&](double s) { return s < now * 0.999; });
        if (next != intervals_s.rend()) state.interval_s = *next;
    }
    return {What::interval};
}

Action sort_by(State& state, SortBy sort) {
    state.sort = sort;
    state.table = {};
    if (sort != SortBy::age || state.wants_blocks) return {};
    state.wants_blocks = true;
    return {What::take};
}

Action sort_by_neighbour(State& state, const Facts& facts, bool right) {
    const auto now = std::find_if(facts.heads.begin(), facts.heads.end(), [&](const Facts::Head& head) { return head.sort == state.sort; });
    if (facts.heads.empty()) return {};
    if (now == facts.heads.end()) return sort_by(state, facts.heads.front().sort);
    if (right ? now + 1 == facts.heads.end() : now == facts.heads.begin()) return {};
    return sort_by(state, right ? (now + 1)->sort : (now - 1)->sort);
}

void move(State& state, const Facts& facts, std::ptrdiff_t by) {
    Cursor& cursor = state.cursor();
    const auto last = static_cast<std::ptrdiff_t>(facts.lines) - 1;
    cursor.index = static_cast<std::size_t>(
        std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(cursor.index) + by, 0, std::max<std::ptrdiff_t>(last, 0)));
    cursor.follows = true;
    settle(cursor, facts.lines, facts.page_lines);
}

// Texts have no selected line: what shows moves.
bool is_text(const State& state) { return state.page == Page::help || state.page == Page::losses; }

void scroll(State& state, const Facts& facts, std::ptrdiff_t by) {
    if (!is_text(state)) return move(state, facts, by);
    const auto most = static_cast<std::ptrdiff_t>(facts.lines > facts.page_lines ? facts.lines - facts.page_lines : 0);
    state.text.top = static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(state.text.top) + by, 0, most));
}

bool navigate(State& state, const Key& key, const Facts& facts) {
    const auto page = static_cast<std::ptrdiff_t>(std::max<std::size_t>(facts.page_lines, 2)) - 1;
    const auto all = static_cast<std::ptrdiff_t>(facts.lines);
    const bool letter = key.kind == Kind::character;
    if (key.kind == Kind::up || (letter && key.character == 'k')) return scroll(state, facts, -1), true;
    if (key.kind == Kind::down || (letter && key.character == 'j')) return scroll(state, facts, 1), true;
    switch (key.kind) {
        case Kind::page_up: return scroll(state, facts, -page), true;
        case Kind::page_down: return scroll(state, facts, page), true;
        case Kind::wheel_up: return scroll(state, facts, -3), true;
        case Kind::wheel_down: return scroll(state, facts, 3), true;
        case Kind::end: return scroll(state, facts, all), true;
        case Kind::home: state.cursor() = {}; return true;
        default: return false;
    }
}

Action back(State& state) {
    if (state.page != Page::table) {
        state.page = Page::table;
    } else if (!state.filter.empty()) {
        state.filter.clear();
    } else if (state.scope) {
        state.scope.reset();
        group_by(state, GroupBy::process);
    } else {
        say(state, "q quits");
    }
    return {};
}

Action click(State& state, const Key& key, const Facts& facts) {
    if (state.page == Page::table && key.row == facts.head_row) {
        for (const Facts::Head& head : facts.heads) {
            if (key.column < head.from || key.column >= head.to) continue;
            if (state.sort == head.sort) state.reversed = !state.reversed;
            return sort_by(state, head.sort);
        }
        return {};
    }
    if (is_text(state) || key.row < facts.first_row || key.row >= facts.first_row + facts.page_lines) return {};
    Cursor& cursor = state.cursor();
    const std::size_t index = cursor.top + (key.row - facts.first_row);
    if (index >= facts.lines) return {};
    cursor.index = index;
    cursor.follows = true;
    if (key.kind != Kind::double_click || state.page == Page::callers) return {};
    return {state.page == Page::checkpoints ? What::compare : What::open};
}

Action change_base(State& state) {
    state.base = state.base == Base::previous ? Base::first : Base::previous;
    say(state, state.base == Base::first ? "CHANGE is since the first display" : "CHANGE is since the display before");
    return {};
}

// What changes the trace, or asks it.
std::optional<Action> command(State& state, char32_t letter, const Facts& facts) {
    if (letter != 'm' && letter != 'd' && letter != 'R' && letter != 'X' && letter != 'w') return std::nullopt;
    if (!facts.live && letter != 'w' && !(letter == 'd' && !facts.saved)) {
        say(state, facts.saved ? "a saved snapshot can only be looked at" : "the trace has ended: it can only be looked at", true);
        return Action{};
    }
    switch (letter) {
        case 'm': ask(state, Prompt::checkpoint); break;
        case 'w': ask(state, Prompt::file, facts.file_proposal); break;
        case 'X': ask(state, Prompt::clear); break;
        case 'd': return Action{What::list_checkpoints};
        case 'R': return Action{What::reset_peak};
        default: break;
    }
    return Action{};
}

void show(State& state, Page page) {
    state.page = state.page == page ? Page::table : page;
    state.text = {};
}

Action on_character(State& state, char32_t letter, const Facts& facts) {
    if (const std::optional<Action> asked = command(state, letter, facts)) return *asked;
    switch (letter) {
        case 'q': return {What::quit};
        case ctrl('c'): return {What::interrupt};
        case ctrl('l'): return {What::repaint};
        case '?':
        case 'h': show(state, Page::help); return {};
        case 'i': show(state, Page::losses); return {};
        case ' ': state.frozen = !state.frozen; return state.frozen ? Action{} : Action{What::take};
        case '+':
        case '=': return change_interval(state, true);
        case '-': return change_interval(state, false);
        default: break;
    }
    if (state.page != Page::table) return {};
    switch (letter) {
        case 'l': group_by(state, GroupBy::line); break;
        case 'f': group_by(state, GroupBy::file); break;
        case 'F': group_by(state, GroupBy::function); break;
        case 't': group_by(state, GroupBy::traceback); break;
        case 'D': group_by(state, GroupBy::domain); break;
        case 'T': group_by(state, GroupBy::thread); break;
        case 'P': group_by(state, GroupBy::process); break;
        case 'C': make_cumulative(state); break;
        case 'c': return change_base(state);
        case 's': return sort_by(state, SortBy::size);
        case 'g': return sort_by(state, SortBy::change);
        case 'n': return sort_by(state, SortBy::count);
        case 'v': return sort_by(state, SortBy::average);
        case 'r': return sort_by(state, SortBy::rate);
        case 'o': return sort_by(state, SortBy::age);
        case '<': return sort_by_neighbour(state, facts, false);
        case '>': return sort_by_neighbour(state, facts, true);
        case 'I': state.reversed = !state.reversed; break;
        case '/': ask(state, Prompt::filter, state.filter); break;
        default: break;
    }
    return {};
}

}  // namespace

void settle(Cursor& cursor, std::size_t lines, std::size_t page_lines) {
    page_lines = std::max<std::size_t>(page_lines, 1);
    cursor.index = std::min(cursor.index, lines ? lines - 1 : 0);
    if (cursor.index < cursor.top) cursor.top = cursor.index;
    if (cursor.index >= cursor.top + page_lines) cursor.top = cursor.index + 1 - page_lines;
    cursor.top = std::min(cursor.top, lines > page_lines ? lines - page_lines : 0);
}

Action press(State& state, const Key& key, const Facts& facts) {
    state.message.clear();
    state.is_failure = false;
    if (state.prompt != Prompt::none) {
        const bool moves = state.prompt == Prompt::filter && key.kind != Kind::character && navigate(state, key, facts);
        return moves ? Action{} : type(state, key);
    }
    if (navigate(state, key, facts)) return {};
    switch (key.kind) {
        case Kind::quit: return {What::quit};
        case Kind::help: show(state, Page::help); return {};
        case Kind::escape:
        case Kind::backspace: return back(state);
        case Kind::enter:
            if (state.page == Page::checkpoints) return facts.lines ? Action{What::compare} : Action{};
            return state.page == Page::table && facts.lines ? Action{What::open} : Action{};
        case Kind::left: return facts.saved ? Action{What::earlier} : Action{};
        case Kind::right: return facts.saved ? Action{What::later} : Action{};
        case Kind::click:
        case Kind::double_click: return click(state, key, facts);
        case Kind::character: return on_character(state, key.character, facts);
        default: return {};
    }
}

const char* head_of(SortBy sort) {
    switch (sort) {
        case SortBy::size: return "SIZE";
        case SortBy::change: return "CHANGE";
        case SortBy::count: return "COUNT";
        case SortBy::average: return "AVERAGE";
        case SortBy::rate: return "RATE";
        case SortBy::age: return "OLDEST";
    }
    return "";
}

}  // namespace memtrace::cli::screen
