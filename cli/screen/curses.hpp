// The one place that knows ncurses: draws a finished Canvas, reads keys, gives the terminal back as it was.
#pragma once

#include <termios.h>

#include <cstdio>
#include <memory>
#include <optional>

#include "display.hpp"
#include "screen/canvas.hpp"
#include "screen/fault_guard.hpp"
#include "screen/key.hpp"
#include "util/result.hpp"
#include "util/unique_fd.hpp"

namespace memtrace::cli::screen {

/// ncurses writes into memory, and from there what changed goes to the terminal as fast as that takes it: a terminal that is stopped
/// (Ctrl-S, a slow line) holds nobody up. Only one at a time. When the program dies of a fault, the terminal is restored all the same.
class Curses {
public:
    /// Errors: standard input or output is no terminal, or of a kind that cannot do it.
    static Result<std::unique_ptr<Curses>> open(bool colour);
    ~Curses();
    Curses(const Curses&) = delete;
    Curses& operator=(const Curses&) = delete;

    [[nodiscard]] unsigned columns() const { return columns_; }
    [[nodiscard]] unsigned rows() const { return rows_; }

    /// False: an earlier picture has not been taken yet, nothing was drawn.
    bool draw(const Canvas& canvas);
    /// Writes what waits, as far as there is room. False: the terminal is gone.
    bool write_on();
    [[nodiscard]] bool waits() const { return display_.waits(); }
    /// The next key that was pressed, if any. What others write over the picture is painted over with the next one after repaint().
    std::optional<Key> next_key();
    void repaint();
    /// The terminal has another size now.
    void resize();
    /// The terminal is as it was before; resume() takes it again.
    void suspend();
    void resume();

private:
    Curses();
    Result<void> start(bool colour);
    bool flush();
    void prepare_for_faults();
    void ask_size();

    termios before_{}, ours_{};
    UniqueFd memory_;           ///< What ncurses writes to.
    std::FILE* out_ = nullptr;  ///< The same, as ncurses wants it.
    Display display_;
    void* screen_ = nullptr;  ///< ncurses' SCREEN and the pad that keys are read by.
    void* keys_ = nullptr;
    unsigned columns_ = 80, rows_ = 24;
    bool suspended_ = false;
    std::optional<FaultGuard> fault_guard_;
};

}  // namespace memtrace::cli::screen
