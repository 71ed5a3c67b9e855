#include "logged_ending.hpp"

#include <charconv>
#include <fstream>
#include <iterator>

#include "format/text.hpp"

namespace memtrace::cli {
namespace {

constexpr std::string_view beginning = "memtrace-bpf: exit status ";
constexpr std::size_t longest_said = 4096;

}  // namespace

std::string ending_line(int status) { return std::string(beginning) + std::to_string(status) + "\n"; }

std::optional<LoggedEnding> read_ending(const std::string& log) {
    std::ifstream file(log, std::ios::ate);
    const std::streamoff size = file ? std::streamoff(file.tellg()) : 0;
    if (size <= 0) return std::nullopt;
    file.seekg(std::max<std::streamoff>(0, size - static_cast<std::streamoff>(longest_said)));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::size_t at = text.rfind(beginning);
    if (at == std::string::npos || (at > 0 && text[at - 1] != '\n')) return std::nullopt;
    LoggedEnding ending;
    const char* const number = text.data() + at + beginning.size();
    const auto [end, failed] = std::from_chars(number, text.data() + text.size(), ending.status);
    if (failed != std::errc() || std::string_view(end) != "\n" || ending.status <= 0 || ending.status > 255) return std::nullopt;
    std::size_t line = text.find("memtrace-bpf: ");
    while (line < at) {
        const std::size_t next = text.find('\n', line) + 1;
        ending.said += printable(text.substr(line, next - 1 - line)) + "\n";
        line = next;
    }
    return ending;
}

}  // namespace memtrace::cli
