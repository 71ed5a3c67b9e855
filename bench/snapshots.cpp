// Snapshots of a large service: what `stats` and `diff` take, and the size of files.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>

#include <chrono>

#include "format/pprof.hpp"
#include "measurements.hpp"
#include "service_snapshot.hpp"

namespace memtrace::bench {
namespace {

constexpr std::size_t many = 1'000'000, typical = 100'000, depth = 25;
constexpr unsigned seed = 7;

struct Run {
    double seconds = 0, mebibytes = 0;
    bool good = false;
};

Run run(std::vector<std::string> arguments) {
    std::vector<char*> words;
    for (std::string& argument : arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    const auto begin = std::chrono::steady_clock::now();
    const pid_t child = fork();
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        execvp(words.front(), words.data());
        _exit(127);
    }
    int status = 0;
    rusage used{};
    wait4(child, &status, 0, &used);
    return {std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), static_cast<double>(used.ru_maxrss) / 1024,
            WIFEXITED(status) && WEXITSTATUS(status) == 0};
}

}  // namespace

Result<void> measure_snapshots(std::vector<Figure>& figures) {
    const std::string before = "build/bench-before.pb.gz", after = "build/bench-after.pb.gz";
    const Result<std::string> file = encode_snapshot(service_snapshot(typical, depth, seed));
    if (!file) return file.error();
    figures.push_back({"snapshot file, a distinct trace of a typical service (10^5 of 25 frames)", "B", static_cast<double>(file->size()) / typical,
                       40, fmt::format("{} bytes", file->size())});
    for (const unsigned moment : {0U, 1U})
        if (Result<void> done = write_snapshot(service_snapshot(many, depth, seed, moment), moment ? after : before); !done) return done;
    const Run lines = run({"build/memtrace-bpf", "stats", "-n", "10", before});
    const Run stacks = run({"build/memtrace-bpf", "stats", "--by", "traceback", "-n", "10", before});
    const Run all = run({"build/memtrace-bpf", "stats", "--by", "traceback", before});
    const Run diff = run({"build/memtrace-bpf", "diff", "--by", "traceback", "-n", "10", before, after});
    unlink(before.c_str());
    unlink(after.c_str());
    if (!lines.good || !stacks.good || !all.good || !diff.good) return Error{"a command failed on a snapshot of 10^6 traces"};
    figures.push_back({"stats of 10^6 distinct traces of 25 frames, by line", "s", lines.seconds, 2, ""});
    figures.push_back({"the same by traceback, the first ten", "s", stacks.seconds, 2, ""});
    figures.push_back({"the same, resident memory", "MiB", stacks.mebibytes, 1024, ""});
    figures.push_back({"the same, all of them printed", "s", all.seconds, {}, fmt::format("{:.0f} MiB", all.mebibytes)});
    figures.push_back({"diff of two of those by traceback, the first ten", "s", diff.seconds, 4, fmt::format("{:.0f} MiB", diff.mebibytes)});
    return {};
}

}  // namespace memtrace::bench
