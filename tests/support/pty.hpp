// A program on a terminal of its own, of which every byte is seen.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace memtrace::test {

class Pty {
public:
    Pty(const std::vector<std::string>& command, unsigned columns, unsigned rows, const std::string& terminal = "xterm-256color");
    ~Pty();
    Pty(const Pty&) = delete;
    Pty& operator=(const Pty&) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    void type(const std::string& text) const;
    /// Reads until the text has come; fails the test when it never does.
    void wait_for(const std::string& text);
    /// Reads what comes for this time.
    void read_for(double seconds);
    /// Nobody reads or writes any more.
    void hang_up();
    /// The program's exit status, or 128 and the signal that ended it; reads on meanwhile.
    int wait();
    /// It edits lines and echoes, as for a shell.
    [[nodiscard]] bool is_normal() const;
    /// All that has come so far.
    [[nodiscard]] const std::string& bytes() const { return bytes_; }

private:
    bool read_some(int timeout_ms);
    int fd_ = -1;
    pid_t pid_ = -1;
    bool reaped_ = false;
    std::string bytes_;
};

}  // namespace memtrace::test
