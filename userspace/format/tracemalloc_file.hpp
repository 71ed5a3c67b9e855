// Snapshot files of Python's own tracemalloc (Snapshot.dump and Snapshot.load): a pickle of two objects around a list of blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/snapshot.hpp"
#include "model/stack.hpp"
#include "util/result.hpp"

namespace memtrace {

// Domains by number: 0 Python's own (raw, mem, obj; "python" when read), 1 malloc, 2 mmap, N what is called "domain N"; other names
// get numbers of their own from 1000 on.

/// Minor versions of Python 3 whose files are known.
inline constexpr unsigned kOldestPython = 6;
inline constexpr unsigned kNewestPython = 15;

struct TracemallocFile {
    std::string bytes;
    std::uint64_t blocks = 0;
    std::uint64_t blocks_split_evenly = 0;  ///< Of sites whose blocks' sizes are not known: their sum and number are right.
};

/// What Snapshot.load() of Python 3.`minor` reads: every live block that counts, in the frames of Stack. Names that are not UTF-8 become what
/// os.fsdecode() makes of them. Errors: more blocks than such a file can sensibly hold.
Result<TracemallocFile> encode_tracemalloc(const Snapshot& snapshot, Lines lines, unsigned minor);

/// The reverse, of Python 3.6 to 3.15 and in any protocol they can write. Nothing in the file is executed: only the operations, classes and
/// shapes of such files are understood, all else is an Error; memory is bounded by a multiple of the file's size.
/// What such files do not tell stays empty: processes' numbers, functions, ages (0), what was freed.
Result<Snapshot> decode_tracemalloc(std::string_view bytes);

/// Whether these first bytes may be those of such a file.
bool looks_like_pickle(std::string_view bytes);

}  // namespace memtrace
