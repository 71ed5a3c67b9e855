#include "process/maps.hpp"

#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "process/proc_file.hpp"

namespace memtrace {
namespace {

constexpr std::size_t kMaxMappings = 1'000'000;
constexpr std::size_t kMaxTextBytes = 256U << 20;
// A path of PATH_MAX bytes, each escaped to four, and the fields before it.
constexpr std::size_t kMaxLineBytes = 4 * 4096 + 256;
constexpr std::string_view kDeleted = " (deleted)";

/// Takes fields off the front of one line.
class Fields {
public:
    explicit Fields(std::string_view line) : rest_(line) {}

    /// A number without sign or prefix, then `end`.
    template <typename T>
    bool number(T& value, int base, char end) {
        const auto [stop, code] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value, base);
        if (code != std::errc{}) return false;
        rest_.remove_prefix(static_cast<std::size_t>(stop - rest_.data()));
        return literal(end);
    }
    /// `yes` or `no`.
    bool flag(bool& value, char yes, char no) {
        value = !rest_.empty() && rest_.front() == yes;
        return literal(value ? yes : no);
    }
    bool literal(char expected) {
        if (rest_.empty() || rest_.front() != expected) return false;
        rest_.remove_prefix(1);
        return true;
    }
    /// What follows the padding.
    std::string_view remainder() {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
        return rest_;
    }

private:
    std::string_view rest_;
};

// Only the newline is escaped in this file; a backslash before anything else is the name's own.
std::string unescape(std::string_view text) {
    constexpr std::string_view kNewline = "\\012";
    std::string name;
    for (std::size_t found; (found = text.find(kNewline)) != text.npos; text.remove_prefix(found + kNewline.size())) {
        name.append(text.substr(0, found)).push_back('\n');
    }
    return name.append(text);
}

std::optional<Mapping> parse_line(std::string_view line) {
    Fields fields(line);
    Mapping mapping;
    bool shared = false;
    unsigned major = 0;
    unsigned minor = 0;
    const bool well_formed = fields.number(mapping.start, 16, '-') && fields.number(mapping.end, 16, ' ') &&
                             fields.flag(mapping.readable, 'r', '-') && fields.flag(mapping.writable, 'w', '-') &&
                             fields.flag(mapping.executable, 'x', '-') && fields.flag(shared, 's', 'p') && fields.literal(' ') &&
                             fields.number(mapping.file_offset, 16, ' ') && fields.number(major, 16, ':') && fields.number(minor, 16, ' ') &&
                             fields.number(mapping.inode, 10, ' ');
    if (!well_formed || mapping.start >= mapping.end) return std::nullopt;
    mapping.device = makedev(major, minor);
    std::string_view path = fields.remainder();
    if (path.find('\0') != path.npos) return std::nullopt;
    if (path.ends_with(kDeleted)) {
        mapping.deleted = true;
        path.remove_suffix(kDeleted.size());
    }
    mapping.path = unescape(path);
    return mapping;
}

}  // namespace

Result<std::vector<Mapping>> parse_maps(std::string_view text) {
    std::vector<Mapping> mappings;
    while (!text.empty()) {
        const std::string number = std::to_string(mappings.size() + 1);
        if (mappings.size() == kMaxMappings) return Error{"more than " + std::to_string(kMaxMappings) + " mappings"};
        const std::size_t end = text.substr(0, kMaxLineBytes).find('\n');
        if (end == text.npos) return Error{"line " + number + " of the mappings is cut off or longer than any the kernel writes"};
        std::optional<Mapping> mapping = parse_line(text.substr(0, end));
        if (!mapping) return Error{"line " + number + " of the mappings is not as the kernel writes it"};
        mappings.push_back(*std::move(mapping));
        text.remove_prefix(end + 1);
    }
    return mappings;
}

Result<std::vector<Mapping>> read_maps(const UniqueFd& process_directory) {
    Result<std::string> text = read_process_file(process_directory, "maps", kMaxTextBytes);
    if (!text) return std::move(text).error();
    return parse_maps(*text);
}

Result<std::vector<Mapping>> read_maps(int pid) {
    Result<UniqueFd> directory = open_process_directory(pid);
    if (!directory) return std::move(directory).error();
    Result<std::vector<Mapping>> mappings = read_maps(*directory);
    if (!mappings) return std::move(mappings).error().in("process " + std::to_string(pid));
    return mappings;
}

std::string mapped_file_name(const Mapping& mapping) {
    char range[2 * 16 + 1];
    char* stop = std::to_chars(range, range + sizeof range, mapping.start, 16).ptr;
    *stop++ = '-';
    stop = std::to_chars(stop, range + sizeof range, mapping.end, 16).ptr;
    return "map_files/" + std::string(range, stop);
}

std::string mapped_file_path(int pid, const Mapping& mapping) { return "/proc/" + std::to_string(pid) + "/" + mapped_file_name(mapping); }

}  // namespace memtrace
