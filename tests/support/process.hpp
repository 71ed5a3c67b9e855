// A child process with pipes. Everything waits for lines, ends or exits with a timeout; nothing waits by guessing a time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

namespace memtrace::test {

/// Long enough for a slow machine: only a failing test ever waits that long.
inline constexpr std::chrono::seconds patience{30};

/// Asks `holds` again and again until it does or patience ends; returns the last answer. For what the kernel finishes on its own time.
bool eventually(const std::function<bool()>& holds);

struct SpawnOptions {
    std::vector<std::pair<std::string, std::string>> environment = {};  ///< Added to ours.
    bool close_stdout = false;                                          ///< The child starts without file descriptor 1.
    std::string directory = {};                                         ///< Where it starts; empty: ours.
    bool fixed_addresses = false;                                       ///< Without address randomization, where that is permitted.
};

/// How a process ended.
struct Ending {
    bool signaled = false;
    int code = 0;  ///< Exit status, or the signal.
    bool operator==(const Ending&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Ending& ending);

/// Move-only owner of one child: whatever happens to the test, it is killed and reaped at the end. Failures to spawn, and lines or ends
/// that do not come, fail the test with all the child has printed.
class Child {
public:
    explicit Child(std::vector<std::string> command, const SpawnOptions& options = {});
    ~Child();
    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    /// The next line of stdout (of stderr) that begins with `prefix`; lines before it are passed over.
    std::string wait_line(const std::string& prefix, std::chrono::seconds limit = patience);
    std::string wait_error_line(const std::string& prefix);
    /// To stdin. Whether the child still reads is its own affair.
    void send_line(const std::string& text);
    void close_stdin();
    /// No one reads stdout any more: the child's next write meets a broken pipe.
    void close_output();
    void signal(int number) const;
    /// Waits for the end and reads what is left in the pipes.
    Ending wait();
    [[nodiscard]] bool running() const;

    /// All that was read so far.
    [[nodiscard]] const std::string& output() const { return output_.text; }
    [[nodiscard]] const std::string& errors() const { return errors_.text; }
    [[nodiscard]] std::string transcript() const;

private:
    struct Stream {
        int fd = -1;
        std::string text;
        std::size_t searched = 0;  ///< Lines before this place were looked at.
    };
    using Deadline = std::chrono::steady_clock::time_point;
    std::string wait_line(Stream& stream, const std::string& prefix, std::chrono::seconds limit);
    /// Waits until a pipe or the end has news; false at the deadline.
    bool pump(Deadline deadline);
    void read_available(Stream& stream);

    std::vector<std::string> command_;
    pid_t pid_ = -1;
    int pidfd_ = -1;
    int input_ = -1;
    Stream output_;
    Stream errors_;
    bool reaped_ = false;
    Ending ending_;
};

/// Of what a child printed.
inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Spawns, closes stdin, waits for the end.
Child run(std::vector<std::string> command, const SpawnOptions& options = {});

/// A workload (files.hpp: workload_path), ready.
Child start_workload(const std::string& name);

}  // namespace memtrace::test
