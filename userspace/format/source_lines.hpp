// Lines of source files, as far as they can be read here: Python's linecache for people who look at a snapshot.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "util/unique_fd.hpp"

namespace memtrace {

/// Some lines of a source file.
struct SourceExcerpt {
    std::uint32_t first = 0;         ///< Number of the first one, from 1.
    std::vector<std::string> lines;  ///< As they are, without their ends, cut after 500 bytes.
    std::string problem;             ///< Why there are none.
};

/// Keeps the files it has read. Names come from snapshots and are hostile: only regular files are opened, up to 16 MiB, with the rights of
/// the user who typed sudo.
class SourceLines {
public:
    /// Files as they are here.
    SourceLines() = default;
    /// Files as a process sees them: below its root, and relative ones below its working directory. Of one that has ended, files that
    /// were not read before are only found where its root was ours.
    static SourceLines of_process(int pid);

    /// The line without the white space around it, cut after 500 bytes; empty where the file cannot be read or has no such line.
    /// Names that are not absolute are looked for in the working directory. Lines count from 1.
    std::string line(std::string_view file, std::uint32_t line);
    /// The line with up to `around` lines before and behind it.
    SourceExcerpt around(std::string_view file, std::uint32_t line, unsigned around);

private:
    struct File {
        std::string text;
        std::vector<std::size_t> starts;  ///< Of the lines in it, and its end.
        std::string problem;
        [[nodiscard]] std::string_view line(std::uint32_t number) const;
    };
    [[nodiscard]] UniqueFd open(const std::string& path) const;
    [[nodiscard]] File read(const std::string& path) const;
    const File& file(std::string_view name);

    UniqueFd process_;     ///< /proc/PID; empty: ours.
    bool is_here_ = true;  ///< Its root is ours.
    std::map<std::string, File, std::less<>> files_;
};

}  // namespace memtrace
