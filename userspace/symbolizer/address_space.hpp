// What code lies where in one process, and a hold on the files it came from.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "process/maps.hpp"
#include "util/result.hpp"
#include "util/unique_fd.hpp"

namespace memtrace {

/// The executable mappings of one process: those of now, and those of before where nothing else took their place.
class AddressSpace {
public:
    using FileId = std::uint64_t;  ///< Never reused.
    static constexpr FileId kNoFile = 0;

    struct Area {
        std::uint64_t end = 0;
        std::uint64_t file_offset = 0;  ///< Of the area's start.
        FileId file = kNoFile;
        std::string name;  ///< The file's path as the target knows it, or "[vdso]", "[anon]" ….
    };
    struct Place {
        const Area* area = nullptr;     ///< Valid until the mappings are read again; none: no code is known there.
        std::uint64_t file_offset = 0;  ///< Of the address; in memory without a file, from the area's start.
    };
    /// [first, second)
    using Range = std::pair<std::uint64_t, std::uint64_t>;

    explicit AddressSpace(int pid);

    /// Reads the mappings and marks the files that are new, at most 256 at a time.
    Result<void> refresh();
    /// Reads the mappings first when the address is in none of them, unless that was just tried in vain.
    Place find(std::uint64_t address);
    /// Where the code has become another since the last call.
    std::vector<Range> take_changed() { return std::exchange(changed_, {}); }

    /// The file behind an area, held or found anew; none when it cannot be had.
    UniqueFd mark(FileId file) const;
    /// The process's "/"; none when it could not be opened.
    [[nodiscard]] const UniqueFd& root() const { return root_; }

private:
    struct MappedFile {
        Mapping mapping;  // the latest seen of those it has
        UniqueFd held;
    };
    using Identity = std::tuple<std::uint64_t, std::uint64_t, std::string>;  // device, inode, path
    using Areas = std::map<std::uint64_t, Area>;

    FileId file_of(const Mapping& mapping);
    void place(std::uint64_t start, Area area);
    void drop_unused_files();
    UniqueFd mark_mapped(const Mapping& mapping) const;

    int pid_;
    UniqueFd process_;
    UniqueFd root_;
    Areas areas_;  // by start
    std::unordered_map<FileId, MappedFile> files_;
    std::map<Identity, FileId> ids_;
    FileId last_file_ = kNoFile;
    std::size_t held_files_ = 0;
    std::vector<Range> changed_;
    std::chrono::steady_clock::time_point next_reading_;
    std::chrono::milliseconds wait_{0};
};

}  // namespace memtrace
