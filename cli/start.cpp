// `start -p PID`: a trace in the background. It is reached by its socket alone, and leaves nothing behind.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "commands.hpp"
#include "control/socket_path.hpp"
#include "messages.hpp"
#include "trace.hpp"

namespace memtrace::cli {
namespace {

std::filesystem::path log_path(const TraceOptions& options) {
    return options.socket.empty() ? control::log_of(options.pid) : std::filesystem::absolute(options.socket + ".log");
}

// New, and nobody else's: what an earlier trace has left is replaced.
Result<UniqueFd> make_log(const std::filesystem::path& path) {
    unlink(path.c_str());
    UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return errno_error("making the log " + path.string(), errno);
    return fd;
}

void remove_log(const std::filesystem::path& path) {
    unlink(path.c_str());
    rmdir(control::socket_folder);  // refused while anything is in it
}

// The child: never returns.
[[noreturn]] void trace_in_background(const TraceOptions& options, UniqueFd log, UniqueFd ready) {
    setsid();
    const UniqueFd nothing(open("/dev/null", O_RDWR | O_CLOEXEC));
    dup2(nothing.get(), STDIN_FILENO);
    dup2(log.get(), STDOUT_FILENO);
    dup2(log.get(), STDERR_FILENO);
    const Result<int> outcome = trace(options, [&] { return write(ready.get(), "r", 1) == 1; });
    if (!outcome) print_error(outcome.error());
    _exit(outcome ? *outcome : 1);
}

// What it had to say of what was asked for, before it told that it is ready.
std::string doubts_in(const std::filesystem::path& log) {
    std::ifstream file(log);
    std::string doubts;
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("memtrace-bpf: mark ")) doubts += line + "\n";
    return doubts;
}

}  // namespace

Result<int> start(const StartOptions& wanted) {
    TraceOptions options = wanted.trace;
    const std::filesystem::path path = log_path(options);
    options.log = path;
    const std::filesystem::path socket = options.socket.empty() ? control::socket_of(options.pid) : std::filesystem::path(options.socket);
    const Result<UniqueFd> living = control::connect_to(socket, false);
    if (!living) return living.error();
    const std::string number = std::to_string(options.pid);
    if (*living) return Error{"another memtrace-bpf already traces pid " + number, "`memtrace-bpf status -p " + number + "` shows what it does"};
    if (geteuid() != 0 && options.socket.empty()) return Error{"a trace in the background needs root", "`sudo memtrace-bpf start -p " + number + "`"};
    if (options.socket.empty())
        if (Result<void> done = control::make_socket_folder(); !done) return std::move(done).error();
    Result<UniqueFd> log = make_log(path);
    if (!log) return std::move(log).error();
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return errno_error("making a pipe", errno);
    UniqueFd told(ends[0]), ready(ends[1]);
    const pid_t child = fork();
    if (child < 0) return errno_error("starting a process", errno);
    if (child == 0) {
        told.reset();
        trace_in_background(options, *std::move(log), std::move(ready));
    }
    ready.reset();
    char byte = 0;
    ssize_t got = 0;
    do got = read(told.get(), &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got == 1) {
        std::fputs(doubts_in(path).c_str(), stderr);
        std::printf("Tracing pid %s in the background; what it has to say is in %s\n", number.c_str(), path.c_str());
        return 0;
    }
    waitpid(child, nullptr, 0);
    std::ifstream file(path);
    const std::string said{std::istreambuf_iterator<char>(file), {}};
    std::fputs(said.c_str(), stderr);
    remove_log(path);
    return 1;
}

}  // namespace memtrace::cli
