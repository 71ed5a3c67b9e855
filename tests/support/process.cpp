// fork, exec, pipes and a pidfd behind one owner; see process.hpp.
#include "support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ostream>
#include <thread>

#include "support/catch.hpp"
#include "support/files.hpp"

namespace memtrace::test {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
    int read_end = -1;
    int write_end = -1;
};

Pipe make_pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) FAIL("cannot make a pipe: " << std::strerror(errno));
    return {ends[0], ends[1]};
}

void close_once(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
}

// In the child between fork and exec. Dies with us: a crashed test leaves nothing running.
[[noreturn]] void become(const std::vector<char*>& arguments, const SpawnOptions& options, const Pipe& in, const Pipe& out, const Pipe& err) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::signal(SIGPIPE, SIG_DFL);
    dup2(in.read_end, 0);
    dup2(out.write_end, 1);
    dup2(err.write_end, 2);
    if (options.close_stdout) close(1);
    if (options.fixed_addresses) personality(ADDR_NO_RANDOMIZE);
    for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
    if (options.directory.empty() || chdir(options.directory.c_str()) == 0) execvp(arguments[0], arguments.data());
    std::perror(arguments[0]);
    _exit(127);
}

}  // namespace

bool eventually(const std::function<bool()>& holds) {
    for (const auto deadline = Clock::now() + patience; Clock::now() < deadline;) {
        if (holds()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return holds();
}

std::ostream& operator<<(std::ostream& out, const Ending& ending) {
    return out << (ending.signaled ? "killed by signal " : "exit status ") << ending.code;
}

Child::Child(std::vector<std::string> command, const SpawnOptions& options) : command_(std::move(command)) {
    std::signal(SIGPIPE, SIG_IGN);
    std::vector<char*> arguments;
    for (auto& argument : command_) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    const Pipe in = make_pipe();
    const Pipe out = make_pipe();
    const Pipe err = make_pipe();
    pid_ = fork();
    if (pid_ == 0) become(arguments, options, in, out, err);
    close(in.read_end);
    close(out.write_end);
    close(err.write_end);
    input_ = in.write_end;
    output_.fd = out.read_end;
    errors_.fd = err.read_end;
    for (const int fd : {output_.fd, errors_.fd}) fcntl(fd, F_SETFL, O_NONBLOCK);
    if (pid_ < 0) FAIL("cannot fork: " << std::strerror(errno));
    pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    if (pidfd_ < 0) FAIL("cannot open a pidfd: " << std::strerror(errno));
}

Child::Child(Child&& other) noexcept
    : command_(std::move(other.command_)),
      pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::exchange(other.pidfd_, -1)),
      input_(std::exchange(other.input_, -1)),
      output_(std::exchange(other.output_, {})),
      errors_(std::exchange(other.errors_, {})),
      reaped_(other.reaped_),
      ending_(other.ending_) {}

Child::~Child() {
    if (pid_ > 0 && !reaped_) {
        // A tracer is given the chance to undo what it did to its target.
        kill(pid_, SIGTERM);
        pollfd end{pidfd_, POLLIN, 0};
        if (pidfd_ < 0 || poll(&end, 1, 5000) <= 0) kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    for (int* fd : {&pidfd_, &input_, &output_.fd, &errors_.fd}) close_once(*fd);
}

void Child::read_available(Stream& stream) {
    std::array<char, 65536> buffer;
    while (stream.fd >= 0) {
        const ssize_t count = read(stream.fd, buffer.data(), buffer.size());
        if (count > 0) {
            stream.text.append(buffer.data(), static_cast<std::size_t>(count));
        } else if (count == 0) {
            close_once(stream.fd);
        } else if (errno != EINTR) {
            return;
        }
    }
}

bool Child::pump(Deadline deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return false;
    std::array<pollfd, 3> news{{{output_.fd, POLLIN, 0}, {errors_.fd, POLLIN, 0}, {reaped_ ? -1 : pidfd_, POLLIN, 0}}};
    if (poll(news.data(), news.size(), static_cast<int>(left.count())) < 0 && errno != EINTR) return false;
    const bool ended = news[2].revents != 0;
    read_available(output_);
    read_available(errors_);
    int status = 0;
    if (ended && waitpid(pid_, &status, 0) == pid_) {
        reaped_ = true;
        ending_ = WIFSIGNALED(status) ? Ending{true, WTERMSIG(status)} : Ending{false, WEXITSTATUS(status)};
    }
    return true;
}

std::string Child::wait_line(Stream& stream, const std::string& prefix, std::chrono::seconds limit) {
    const auto deadline = Clock::now() + limit;
    for (;;) {
        const bool last_look = reaped_ || stream.fd < 0;
        for (auto end = stream.text.find('\n', stream.searched); end != std::string::npos; end = stream.text.find('\n', stream.searched)) {
            std::string line = stream.text.substr(stream.searched, end - stream.searched);
            stream.searched = end + 1;
            if (line.starts_with(prefix)) return line;
        }
        if (last_look || !pump(deadline)) FAIL("no line \"" << prefix << "\"\n" << transcript());
    }
}

std::string Child::wait_line(const std::string& prefix, std::chrono::seconds limit) { return wait_line(output_, prefix, limit); }
std::string Child::wait_error_line(const std::string& prefix) { return wait_line(errors_, prefix, patience); }

void Child::send_line(const std::string& text) {
    const std::string line = text + "\n";
    // A child that has ended shows in what it prints next, or does not: the test looks there.
    [[maybe_unused]] const ssize_t ignored = write(input_, line.data(), line.size());
}

void Child::close_stdin() { close_once(input_); }
void Child::close_output() { close_once(output_.fd); }

void Child::signal(int number) const {
    // Not reaped yet, so the number is still ours.
    if (!reaped_) kill(pid_, number);
}

bool Child::running() const {
    pollfd end{pidfd_, POLLIN, 0};
    return !reaped_ && poll(&end, 1, 0) == 0;
}

Ending Child::wait() {
    const auto deadline = Clock::now() + patience;
    while (!reaped_)
        if (!pump(deadline)) FAIL("does not end\n" << transcript());
    read_available(output_);
    read_available(errors_);
    return ending_;
}

std::string Child::transcript() const {
    std::string text = "command:";
    for (const auto& argument : command_) text += " " + argument;
    return text + "\nstdout:\n" + output_.text + "stderr:\n" + errors_.text;
}

Child run(std::vector<std::string> command, const SpawnOptions& options) {
    Child process(std::move(command), options);
    process.close_stdin();
    process.wait();
    return process;
}

Child start_workload(const std::string& name) {
    Child program({workload_path(name)});
    program.wait_line("ready");
    return program;
}

}  // namespace memtrace::test
