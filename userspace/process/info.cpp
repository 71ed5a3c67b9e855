#include "process/info.hpp"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "process/proc_file.hpp"

namespace memtrace {
namespace {

constexpr std::size_t kMaxCommandLineBytes = 4096;
constexpr std::size_t kMaxFileBytes = 65'536;
constexpr unsigned kKernelThread = 0x00200000;  // PF_KTHREAD, include/linux/sched.h

std::string_view next_word(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\n"), text.size()));
    const std::string_view word = text.substr(0, text.find_first_of(" \t\n"));
    text.remove_prefix(word.size());
    return word;
}

template <typename T>
bool parse_number(std::string_view word, T& value) {
    const auto [stop, code] = std::from_chars(word.data(), word.data() + word.size(), value);
    return code == std::errc{} && stop == word.data() + word.size();
}

// Fields are numbered as in proc_pid_stat(5). The name may hold spaces and parentheses, but nothing after it does.
bool parse_stat(std::string_view text, ProcessInfo& info) {
    const std::size_t name_end = text.rfind(')');
    if (name_end == text.npos) return false;
    text.remove_prefix(name_end + 1);
    const std::string_view state = next_word(text);
    if (state.size() != 1) return false;
    info.state = state.front();
    unsigned flags = 0;
    bool complete = true;
    for (int field = 4; field <= 22; ++field) {
        const std::string_view word = next_word(text);
        if (field == 9) complete = complete && parse_number(word, flags);
        if (field == 20) complete = complete && parse_number(word, info.threads);
        if (field == 22) complete = complete && parse_number(word, info.start_time_ticks);
    }
    info.kernel_thread = (flags & kKernelThread) != 0;
    return complete;
}

// The kernel escapes newlines in the name, so a process cannot write lines of its own here.
bool parse_status(std::string_view text, ProcessInfo& info) {
    bool has_uid = false;
    bool has_tracer = false;
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        const std::string_view key = next_word(line);
        if (key == "Uid:") has_uid = parse_number(next_word(line), info.uid);
        if (key == "NSpid:")  // from our namespace down to its own
            while (parse_number(next_word(line), info.namespace_pid)) continue;
        if (key == "TracerPid:") has_tracer = parse_number(next_word(line), info.tracer_pid);
    }
    return has_uid && has_tracer;
}

bool parse_statm(std::string_view text, ProcessInfo& info) {
    std::uint64_t pages = 0;
    std::uint64_t resident_pages = 0;
    if (!parse_number(next_word(text), pages) || !parse_number(next_word(text), resident_pages)) return false;
    const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    info.vms_bytes = pages * page_bytes;
    info.rss_bytes = resident_pages * page_bytes;
    return true;
}

std::string join_arguments(std::string text, const std::string& comm) {
    while (!text.empty() && text.back() == '\0') text.pop_back();
    std::replace(text.begin(), text.end(), '\0', ' ');
    return text.empty() ? "[" + comm + "]" : text;
}

Error gone_or(int pid, Error error) {
    // A process that ends half-way makes any of its files fail; the reason is then simply that.
    Result<UniqueFd> again = open_process_directory(pid);
    return again ? std::move(error).in("process " + std::to_string(pid)) : std::move(again).error();
}

}  // namespace

Result<ProcessInfo> read_process(int pid) {
    Result<UniqueFd> directory = open_process_directory(pid);
    if (!directory) return std::move(directory).error();
    ProcessInfo info;
    info.pid = pid;

    const auto parsed = [&](const char* name, bool (*parse)(std::string_view, ProcessInfo&)) -> Result<void> {
        Result<std::string> text = read_process_file(*directory, name, kMaxFileBytes);
        if (!text) return std::move(text).error();
        if (!parse(*text, info)) return Error{std::string(name) + " is not as the kernel writes it"};
        return {};
    };
    if (Result<void> done = parsed("stat", parse_stat); !done) return gone_or(pid, std::move(done).error());
    if (Result<void> done = parsed("status", parse_status); !done) return gone_or(pid, std::move(done).error());
    if (Result<void> done = parsed("statm", parse_statm); !done) return gone_or(pid, std::move(done).error());

    Result<std::string> comm = read_process_file(*directory, "comm", kMaxFileBytes);
    if (!comm) return gone_or(pid, std::move(comm).error());
    if (comm->ends_with('\n')) comm->pop_back();
    info.comm = *std::move(comm);
    Result<std::string> arguments = read_process_file(*directory, "cmdline", kMaxCommandLineBytes);
    if (!arguments) return gone_or(pid, std::move(arguments).error());
    info.command_line = join_arguments(*std::move(arguments), info.comm);
    return info;
}

Result<std::uint64_t> read_auxv(int pid, std::uint64_t type) {
    Result<UniqueFd> directory = open_process_directory(pid);
    if (!directory) return std::move(directory).error();
    Result<std::string> bytes = read_process_file(*directory, "auxv", kMaxFileBytes);
    if (!bytes) return gone_or(pid, std::move(bytes).error());
    for (std::size_t at = 0; at + sizeof(Elf64_auxv_t) <= bytes->size(); at += sizeof(Elf64_auxv_t)) {
        Elf64_auxv_t entry;
        std::memcpy(&entry, bytes->data() + at, sizeof entry);
        if (entry.a_type == AT_NULL) break;
        if (entry.a_type == type) return std::uint64_t{entry.a_un.a_val};
    }
    return Error{"process " + std::to_string(pid) + ": no entry " + std::to_string(type) + " in its auxiliary vector",
                 "kernel threads have none, and 32-bit processes are not supported"};
}

}  // namespace memtrace
