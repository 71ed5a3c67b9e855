#include "screen/prompt.hpp"

namespace memtrace::cli::screen {
namespace {

using Kind = Key::Kind;
using What = Action::What;

constexpr std::size_t longest_input = 200;

constexpr char32_t ctrl(char letter) { return static_cast<char32_t>(letter & 0x1f); }

void append(std::string& text, char32_t c) {
    if (c < 0x80) {
        text += static_cast<char>(c);
    } else if (c < 0x800) {
        text += {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
    } else if (c < 0x10000) {
        text += {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3f)), static_cast<char>(0x80 | (c & 0x3f))};
    } else {
        text += {static_cast<char>(0xf0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3f)), static_cast<char>(0x80 | (c >> 6 & 0x3f)),
                 static_cast<char>(0x80 | (c & 0x3f))};
    }
}

void erase_last(std::string& text) {
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
    if (!text.empty()) text.pop_back();
}

Action typed(State& state) {
    const Prompt prompt = state.prompt;
    const std::string input = state.input;
    state.prompt = Prompt::none;
    if (input.empty() && prompt != Prompt::filter) return {};
    switch (prompt) {
        case Prompt::checkpoint: return {What::mark, input};
        case Prompt::file: return {What::write, input};
        default: return {};
    }
}

Action answer(State& state, const Key& key) {
    const Prompt prompt = state.prompt;
    const bool yes = key.kind == Kind::character && (key.character == 'y' || key.character == 'Y');
    state.prompt = Prompt::none;
    if (!yes) {
        state.message = "nothing was done";
        return {};
    }
    return prompt == Prompt::clear ? Action{What::clear} : Action{What::replace, state.input};
}

}  // namespace

Action type(State& state, const Key& key) {
    if (state.prompt == Prompt::replace || state.prompt == Prompt::clear) return answer(state, key);
    const bool is_filter = state.prompt == Prompt::filter;
    switch (key.kind) {
        case Kind::enter: return typed(state);
        case Kind::escape:
            state.prompt = Prompt::none;
            if (is_filter) state.filter.clear();
            return {};
        case Kind::backspace: erase_last(state.input); break;
        case Kind::character:
            if (key.character == ctrl('u')) state.input.clear();
            if (key.character == ctrl('c')) return state.prompt = Prompt::none, Action{};
            if (key.character >= ' ' && key.character != 0x7f && state.input.size() < longest_input) append(state.input, key.character);
            break;
        default: return {};
    }
    if (is_filter) {
        state.filter = state.input;
        state.table = {};
    }
    return {};
}

}  // namespace memtrace::cli::screen
