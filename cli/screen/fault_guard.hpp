// Gives the terminal back when the program dies of a fault: a shell whose keys do not show is no place to read about it.
#pragma once

#include <termios.h>

#include <string_view>

namespace memtrace::cli::screen {

/// While it lives and is armed, as it is at first, a fault writes `text` to standard output and sets the modes of standard input; then
/// it ends the program as it would have. One at a time.
class FaultGuard {
public:
    FaultGuard(std::string_view text, const termios& modes);
    ~FaultGuard();
    FaultGuard(const FaultGuard&) = delete;
    FaultGuard& operator=(const FaultGuard&) = delete;
    void arm();
    void disarm();
};

}  // namespace memtrace::cli::screen
