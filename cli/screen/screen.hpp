// The full-screen display: a model and its terminal, and what others write meanwhile.
#pragma once

#include <memory>
#include <string>

#include "screen/curses.hpp"
#include "screen/model.hpp"
#include "util/unique_fd.hpp"

namespace memtrace::cli::screen {

/// Standard error while it would write over the picture: kept, shown as messages, and written where it belongs at the end.
/// Standard error that is no terminal is left alone.
class HeldMessages {
public:
    HeldMessages();
    ~HeldMessages();
    HeldMessages(const HeldMessages&) = delete;
    HeldMessages& operator=(const HeldMessages&) = delete;
    /// The last line that was written since the last call; empty: none was.
    std::string latest();

private:
    UniqueFd own_, held_;
    off_t read_ = 0;
};

class Screen {
public:
    /// Standard input and output are terminals that can do it. Says nothing of whether one is wanted.
    static bool is_possible();
    static Result<std::unique_ptr<Screen>> open(Setup setup, Colour colour);

    [[nodiscard]] Model& model() { return model_; }
    [[nodiscard]] static int input_fd();
    /// Takes keys until one asks for something that is not the model's to do; `none`: there are no more.
    Action next_action();
    /// Shows the model as it is now, or as soon as the terminal takes it.
    void paint();
    /// To be called some times a second: writes what waits, shows messages. False: the terminal is gone.
    bool keep_up();
    void repaint();
    void resize();
    /// Gives the terminal back, stops this process, and goes on when it is continued.
    void suspend();

private:
    Screen(Setup setup, std::unique_ptr<Curses> curses, bool unicode);
    std::unique_ptr<HeldMessages> messages_;  ///< Written when the terminal is a normal one again.
    std::unique_ptr<Curses> curses_;
    Model model_;
    bool unicode_;
    bool stale_ = true;  ///< What is shown is not what is.
};

}  // namespace memtrace::cli::screen
