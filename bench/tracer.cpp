// What the tracer itself takes, seen from outside: the real program on a busy target.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "measurements.hpp"
#include "subject.hpp"

namespace memtrace::bench {
namespace {

// Resident memory that is the process's own: everything but the kernel's tables it has mapped.
double own_rss_mib(pid_t pid) {
    std::ifstream smaps(fmt::format("/proc/{}/smaps", pid));
    std::string line;
    bool table = false;
    double kib = 0;
    while (std::getline(smaps, line)) {
        if (line.find('-') != std::string::npos && line.find(':') > line.find(' ')) table = line.find("bpf-map") != std::string::npos;
        if (!table && line.rfind("Rss:", 0) == 0) kib += std::stod(line.substr(4));
    }
    return kib / 1024;
}

double cpu_seconds(pid_t pid) {
    std::ifstream stat(fmt::format("/proc/{}/stat", pid));
    std::string text((std::istreambuf_iterator<char>(stat)), {});
    const std::size_t behind_name = text.rfind(')');
    if (behind_name == std::string::npos) return 0;
    double user = 0, system = 0;
    // utime and stime are the 12th and 13th fields behind the name.
    std::sscanf(text.c_str() + behind_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lf %lf", &user, &system);
    return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

Result<void> measure_tracer(std::vector<Figure>& figures) {
    Subject subject({"build/bench-sites"});
    if (subject.pid() < 0) return Error{"cannot start build/bench-sites"};
    const std::string target = std::to_string(subject.pid());
    const pid_t tracer = fork();
    if (tracer == 0) {
        const int quiet = open("/dev/null", O_WRONLY);
        dup2(quiet, STDOUT_FILENO);
        dup2(quiet, STDERR_FILENO);
        execl("build/memtrace-bpf", "memtrace-bpf", "-p", target.c_str(), "-i", "1", static_cast<char*>(nullptr));
        _exit(127);
    }
    std::this_thread::sleep_for(std::chrono::seconds(2));
    subject.run("0");  // all sites are seen and named
    std::this_thread::sleep_for(std::chrono::seconds(2));
    const double cpu = cpu_seconds(tracer);
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 5; ++i) subject.run("0");
    const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double used = cpu_seconds(tracer) - cpu, rss = own_rss_mib(tracer);
    kill(tracer, SIGINT);
    int status = 0;
    waitpid(tracer, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return Error{"the tracer did not end well"};
    figures.push_back({"tracer's own resident memory while tracing (tables apart)", "MiB", rss, 64, ""});
    figures.push_back({"tracer's CPU at one refresh a second", "%", used / elapsed * 100, 2, fmt::format("{:.2f} s in {:.1f} s", used, elapsed)});
    return {};
}

}  // namespace memtrace::bench
