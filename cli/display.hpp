// A stream that is written to without ever waiting for its reader: a trace has events to take in and commands to answer.
#pragma once

#include <cstdio>
#include <string>
#include <utility>

#include "util/unique_fd.hpp"

namespace memtrace::cli {

class Display {
public:
    /// Keeps the stream, whose own buffer it does not use. Of texts that wait for the reader `room` bytes and one text more are kept.
    explicit Display(std::FILE* stream, std::size_t room = 0);

    /// Shows the text, now or as it is read; left out, and counted, while too much of earlier ones still waits. False: it cannot be written.
    bool show(const std::string& text);
    /// Writes what waits, as far as there is room. False: it cannot be written.
    bool write_on();
    [[nodiscard]] bool waits() const { return !waiting_.empty(); }
    /// What still waits, for who can wait for the reader now.
    std::string take_rest() { return std::exchange(waiting_, {}); }
    /// To be polled for room while something waits.
    [[nodiscard]] int fd() const { return own_ ? own_.get() : fileno(stream_); }
    [[nodiscard]] unsigned left_out() const { return left_out_; }

private:
    std::FILE* stream_;
    std::size_t room_;
    UniqueFd own_;  ///< The same pipe or terminal, opened so that writing never waits; empty where it cannot be.
    std::string waiting_;
    unsigned left_out_ = 0;
};

}  // namespace memtrace::cli
