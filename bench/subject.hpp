// A program that is timed: it is started, told to run by a line on its input, and answers with one number a line.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

namespace memtrace::bench {

/// Ends its program when destroyed.
class Subject {
public:
    /// Starts `arguments` and waits for its "ready"; pid() is -1 when that did not come.
    explicit Subject(std::vector<std::string> arguments);
    Subject(const Subject&) = delete;
    Subject& operator=(const Subject&) = delete;
    ~Subject();
    [[nodiscard]] pid_t pid() const { return pid_; }
    /// Sends a line, waits for the answer.
    double run(const std::string& line);
    /// The two halves of run(), for what has to be done in between.
    void send(const std::string& line);
    double receive();

private:
    pid_t pid_ = -1;
    std::FILE* in_ = nullptr;
    std::FILE* out_ = nullptr;
};

}  // namespace memtrace::bench
