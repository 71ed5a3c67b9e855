#include "subject.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace memtrace::bench {

Subject::Subject(std::vector<std::string> arguments) {
    int to[2], from[2];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        std::vector<char*> argv;
        argv.reserve(arguments.size() + 1);
        for (std::string& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        execvp(argv[0], argv.data());
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    in_ = fdopen(to[1], "w");
    out_ = fdopen(from[0], "r");
    char line[64];
    if (!std::fgets(line, sizeof line, out_)) {
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
}

Subject::~Subject() {
    if (in_) std::fclose(in_);
    if (out_) std::fclose(out_);
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
}

double Subject::run(const std::string& line) {
    send(line);
    return receive();
}

void Subject::send(const std::string& line) {
    std::fprintf(in_, "%s\n", line.c_str());
    std::fflush(in_);
}

double Subject::receive() {
    char answer[64] = "nan";
    return std::fgets(answer, sizeof answer, out_) ? std::strtod(answer, nullptr) : -1;
}

}  // namespace memtrace::bench
