// Which blocks of a snapshot count: the filters of tracemalloc's Snapshot.filter_traces().
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/name_pattern.hpp"
#include "model/snapshot.hpp"
#include "model/stack.hpp"

namespace memtrace {

/// tracemalloc's DomainFilter, with a domain's name for its number.
struct DomainFilter {
    bool inclusive = true;  ///< false: blocks of the domain are left out.
    std::string domain;     ///< "malloc", "mmap", "raw", "mem", "obj".
    bool operator==(const DomainFilter&) const = default;
};

/// tracemalloc's Filter: blocks by the file and line of a frame. `.pyc` is read as `.py`, in the pattern, too.
struct FileFilter {
    bool inclusive = true;
    std::string pattern;                ///< NamePattern.
    std::optional<std::uint32_t> line;  ///< None: any.
    bool all_frames = false;            ///< Any frame of the Stack may match; false: only the newest.
    bool operator==(const FileFilter&) const = default;
};

/// A block counts if some inclusive filter matches, or there is none; and no exclusive one matches. The order does not matter.
struct Filters {
    std::vector<DomainFilter> domains;
    std::vector<FileFilter> files;
    [[nodiscard]] bool empty() const { return domains.empty() && files.empty(); }
    bool operator==(const Filters&) const = default;
};

/// What filters say of the sites of one snapshot, to which it keeps a reference, as to the filters.
class SiteFilter {
public:
    SiteFilter(const Snapshot& snapshot, const Filters& filters, Lines lines = Lines::python);
    /// Whether the blocks of a site of the snapshot count.
    [[nodiscard]] bool passes(const Site& site) const;
    [[nodiscard]] bool matches(const DomainFilter& filter, const Site& site) const;
    /// By the filter's place among Filters::files.
    [[nodiscard]] bool matches_file(std::size_t filter, const Site& site) const;

private:
    const Snapshot& snapshot_;
    const Filters& filters_;
    Lines lines_;
    std::vector<std::vector<bool>> frames_;  ///< Of each file filter: the frames that match.
};

/// CPython's _normalize_filename on POSIX.
std::string_view source_file(std::string_view file);

}  // namespace memtrace
