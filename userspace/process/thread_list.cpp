#include "process/thread_list.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>
#include <unordered_map>

namespace memtrace {
namespace {

std::vector<int> numbers_in(const std::string& folder) {
    std::vector<int> numbers;
    std::error_code code;
    for (const auto& entry : std::filesystem::directory_iterator(folder, code)) {
        const std::string name = entry.path().filename();
        int number = 0;
        if (const auto [stop, bad] = std::from_chars(name.data(), name.data() + name.size(), number);
            bad == std::errc() && stop == name.data() + name.size())
            numbers.push_back(number);
    }
    return numbers;
}

// What stands behind the name in a stat file: state, parent …
std::string stat_fields(const std::string& path) {
    std::ifstream file(path);
    std::string text;
    std::getline(file, text);
    const std::size_t behind_name = text.rfind(") ");
    return behind_name == std::string::npos ? "" : text.substr(behind_name + 2);
}

int status_number(int tid, const std::string& key) {
    std::ifstream file("/proc/" + std::to_string(tid) + "/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(key)) return std::atoi(line.c_str() + key.size());
    return 0;
}

std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

}  // namespace

std::vector<int> list_threads(int pid) { return numbers_in("/proc/" + std::to_string(pid) + "/task"); }

std::vector<int> descendants_of(int pid) {
    std::unordered_map<int, std::vector<int>> children;
    for (const int process : numbers_in("/proc")) {
        const std::string fields = stat_fields("/proc/" + std::to_string(process) + "/stat");
        if (fields.size() > 2 && fields[0] != 'Z') children[std::atoi(fields.c_str() + 2)].push_back(process);
    }
    std::vector<int> found{pid};
    for (std::size_t i = 0; i < found.size(); ++i) {
        const auto of = children.find(found[i]);
        if (of == children.end()) continue;
        std::vector<int> fresh = std::move(of->second);
        children.erase(of);  // each is somebody's child once, whatever /proc said while it changed
        found.insert(found.end(), fresh.begin(), fresh.end());
    }
    found.erase(found.begin());
    return found;
}

std::optional<int> process_of(int tid) {
    const int pid = status_number(tid, "Tgid:");
    return pid ? std::optional(pid) : std::nullopt;
}

int tracer_of(int tid) { return status_number(tid, "TracerPid:"); }

bool needs_no_stop(int pid, int tid) {
    const std::string fields = stat_fields("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/stat");
    return fields.empty() || fields[0] == 'D' || fields[0] == 'Z' || fields[0] == 'X';
}

bool all_threads_stand(int pid) {
    const std::vector<int> tids = list_threads(pid);
    return std::all_of(tids.begin(), tids.end(), [pid](int tid) {
        const std::string fields = stat_fields("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/stat");
        return fields.empty() || std::string("tZX").find(fields[0]) != std::string::npos;
    });
}

Error cannot_seize(int pid, int tid, int code) {
    const std::string what = "following pid " + std::to_string(pid) + " (ptrace of thread " + std::to_string(tid) + ")";
    if (const int tracer = tracer_of(tid))
        return Error{
            what + ": pid " + std::to_string(tracer) + " (" + first_line("/proc/" + std::to_string(tracer) + "/comm") + ") already debugs it",
            "a process has one debugger at a time: end that one, or trace without --follow"};
    if (first_line("/proc/sys/kernel/yama/ptrace_scope") == "3")
        return errno_error(what, code,
                           "ptrace is switched off on this machine until it is started anew (kernel.yama.ptrace_scope = 3): trace without --follow");
    return errno_error(what, code,
                       "following needs CAP_SYS_PTRACE, and no security module or container profile that forbids ptrace; or trace without --follow");
}

}  // namespace memtrace
