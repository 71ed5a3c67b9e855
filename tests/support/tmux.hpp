// A terminal that tests type into and look at: tmux with a server of its own, which ends with its owner.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "support/files.hpp"

namespace memtrace::test {

class Tmux {
public:
    using Environment = std::vector<std::pair<std::string, std::string>>;

    /// Runs a shell in a window of this size; skips the rule where there is no tmux. UTF-8 unless the environment says otherwise.
    Tmux(unsigned columns, unsigned rows, const Environment& environment = {});
    ~Tmux();
    Tmux(const Tmux&) = delete;
    Tmux& operator=(const Tmux&) = delete;

    /// Types a command into the shell.
    void run(const std::string& command);
    /// Keys by tmux's names: "Enter", "C-z", "F1"; a single letter is itself.
    void keys(const std::vector<std::string>& keys);
    /// Types it letter by letter.
    void type(const std::string& text);
    void resize(unsigned columns, unsigned rows);
    /// What the window shows; with `styles`, the escape sequences too.
    [[nodiscard]] std::string screen(bool styles = false) const;
    /// Waits until it shows the text; fails the test when it never does.
    std::string wait_for(const std::string& text) const;
    /// Waits until it does not any more.
    void wait_without(const std::string& text) const;
    /// The window is gone, as when a connection breaks.
    void close();

private:
    std::string tmux(std::vector<std::string> arguments) const;
    TemporaryFolder folder_;
    bool closed_ = false;
};

}  // namespace memtrace::test
