// Separate debug files: by build-id, by .gnu_debuglink, and the shared part (.gnu_debugaltlink, "dwz") of either.
// Written out instead of taken from libdwfl, whose search opens whatever has the right name (and waits on a fifo) and asks
// debuginfod servers, waiting for them; this one does neither, and servers are asked only where that was wanted.
#pragma once

#include <optional>
#include <string>

#include "symbolizer/debuginfod.hpp"
#include "symbolizer/object_file.hpp"

namespace memtrace {

/// The file with the DWARF of `main`, which the target knows as `path`. Only a file proved to belong to it: same build-id,
/// or, without one, the checksum in the link. `target_root` is the target's "/" (O_PATH), searched before ours; may be none. `servers`: asked
/// last, may be null; what they have comes later.
std::optional<ObjectFile> find_debug_file(const ObjectFile& main, const std::string& path, const UniqueFd& target_root, Debuginfod* servers);

/// The file that a .gnu_debugaltlink speaks of: by `build_id`, else by `name` when that is absolute.
std::optional<ObjectFile> find_shared_debug_file(std::span<const std::byte> build_id, const std::string& name, const UniqueFd& target_root,
                                                 Debuginfod* servers);

}  // namespace memtrace
