// /proc/PID/maps, parsed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "util/result.hpp"
#include "util/unique_fd.hpp"

namespace memtrace {

/// One mapping, [start, end).
struct Mapping {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    std::uint64_t file_offset = 0;
    std::uint64_t inode = 0;   ///< 0: no file behind it.
    std::uint64_t device = 0;  ///< makedev(major, minor).
    bool readable = false;
    bool writable = false;
    bool executable = false;
    std::string path;      ///< As the kernel prints it, newlines restored; empty for anonymous memory.
    bool deleted = false;  ///< The kernel's " (deleted)" suffix, removed from `path`.
    [[nodiscard]] bool contains(std::uint64_t address) const { return address >= start && address < end; }
    bool operator==(const Mapping&) const = default;
};

/// Lines that are not as the kernel writes them are an Error, and so is a last line without its newline. At most
/// 1 000 000 mappings. The kernel escapes only the newline (\012), so a file really named `\012` reads as a newline,
/// and one really named "x (deleted)" reads as deleted: compare device and inode before trusting `path`.
Result<std::vector<Mapping>> parse_maps(std::string_view text);
Result<std::vector<Mapping>> read_maps(int pid);
/// The same through an open /proc/PID (see process/proc_file.hpp).
Result<std::vector<Mapping>> read_maps(const UniqueFd& process_directory);

/// The path under which the file behind a mapping can be opened even when it was deleted or replaced or lies in another
/// mount namespace: /proc/PID/map_files/START-END. It exists only for file mappings, only for exactly this range, and
/// opens only with CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE.
std::string mapped_file_path(int pid, const Mapping& mapping);
/// The same relative to /proc/PID: map_files/START-END.
std::string mapped_file_name(const Mapping& mapping);

}  // namespace memtrace
