#include "python/start_options.hpp"

#include <string>
#include <string_view>

#include "process/proc_file.hpp"

namespace memtrace {

namespace {

constexpr std::size_t most_bytes = 1U << 20;

// Each entry of such a file ends in a zero byte.
bool has_entry(const UniqueFd& process, const char* file, std::string_view begin) {
    const Result<std::string> list = read_process_file(process, file, most_bytes);
    return list && ('\0' + *list).find('\0' + std::string(begin)) != std::string::npos;
}

}  // namespace

bool sets_up_allocators(int pid) {
    using namespace std::string_view_literals;
    const Result<UniqueFd> process = open_process_directory(pid);
    if (!process) return false;
    return has_entry(*process, "environ", "PYTHONMALLOC="sv) || has_entry(*process, "environ", "PYTHONDEVMODE="sv) ||
           has_entry(*process, "cmdline", "-X\0dev\0"sv) || has_entry(*process, "cmdline", "-Xdev\0"sv);
}

}  // namespace memtrace
