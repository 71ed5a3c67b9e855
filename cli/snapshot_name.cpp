#include "snapshot_name.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace memtrace::cli {
namespace {

void replace_all(std::string& text, const std::string& from, const std::string& to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
}

}  // namespace

std::string snapshot_name(std::string name, int pid, unsigned counter, std::chrono::system_clock::time_point time) {
    replace_all(name, "$pid", std::to_string(pid));
    const std::time_t whole_seconds = std::chrono::system_clock::to_time_t(time);
    std::tm local{};
    localtime_r(&whole_seconds, &local);
    replace_all(name, "$timestamp", fmt::format("{:%Y-%m-%d-%H-%M-%S}", local));
    replace_all(name, "$counter", fmt::format("{:04}", counter));
    return name;
}

}  // namespace memtrace::cli
