// /tmp/perf-PID.map: what just-in-time compilers (node --perf-basic-prof, python -X perf, JVM agents) say of the code they make up.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "util/unique_fd.hpp"

namespace memtrace {

/// Names of one process's made-up code. The file is the target's own: looked for below its "/", believed only when it is a regular file of the
/// target's user, of at most 64 MiB and 250 000 entries; it is read on as it grows, at most every 50 ms.
class PerfMap {
public:
    explicit PerfMap(int pid) : pid_(pid) {}

    /// The name of the code around `address`, at most 512 bytes. `root`: the process's "/" (O_PATH).
    std::optional<std::string> find(std::uint64_t address, const UniqueFd& root);
    /// Lines as they stand in the file: START SIZE NAME, the numbers hexadecimal. Of entries that overlap the later one is right. What is no
    /// such line is passed over. The bytes up to the last newline, which were taken in.
    std::size_t add(std::string_view lines);

private:
    struct Code {
        std::uint64_t end = 0;
        std::string name;
    };
    void read_on(const UniqueFd& root);
    [[nodiscard]] UniqueFd open(const UniqueFd& root) const;
    void place(std::uint64_t start, Code code);

    int pid_;
    std::map<std::uint64_t, Code> code_;  ///< By start; no two overlap.
    off_t read_ = 0;
    ino_t inode_ = 0;
    std::chrono::steady_clock::time_point next_look_{};
};

}  // namespace memtrace
