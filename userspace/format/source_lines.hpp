// Lines of source files, as far as they can be read here: Python's linecache for people who look at a snapshot.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace memtrace {

/// Keeps the files it has read. Names come from snapshots and are hostile: only regular files are opened, up to 16 MiB, with the rights of
/// the user who typed sudo.
class SourceLines {
public:
    /// The line without the white space around it, cut after 500 bytes; empty where the file cannot be read or has no such line.
    /// Names that are not absolute are looked for in the working directory. Lines count from 1.
    std::string line(std::string_view file, std::uint32_t line);

private:
    struct File {
        std::string text;
        std::vector<std::size_t> starts;  ///< Of the lines in it, and its end.
    };
    static File read(const std::string& path);
    std::map<std::string, File, std::less<>> files_;
};

}  // namespace memtrace
