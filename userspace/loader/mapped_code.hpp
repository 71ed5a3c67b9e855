// Which code of a process has been looked at, and what it has mapped since: libraries that are loaded while it is traced.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "probes/plan.hpp"
#include "process/code_notice.hpp"
#include "process/maps.hpp"

namespace memtrace {

/// Decides when a process is to be looked at again, and remembers from when to when new code ran unseen. Pure but for read() and look().
class MappedCode {
public:
    using Clock = std::chrono::steady_clock;

    /// What process `pid` has mapped now is about to be planned for: from now on it is known.
    void read(int pid);
    /// The kernel's notice. Code that is known costs nothing.
    void mapped(const CodeMapping& mapping);
    /// The same by a look at its mappings, where notices are missing.
    void look(int pid);
    /// When the process is to be looked at; max(): its code is known. Never right after the last look.
    [[nodiscard]] Clock::time_point due() const { return wanted_ ? next_ : Clock::time_point::max(); }
    /// The file of `code` is known wherever it is mapped.
    void place_is_indifferent(const Mapping& code) { plain_.emplace(code.device, code.inode); }
    /// The process was looked at from `begin` to `end`, and what `plan` says is attached. `incomplete`: something in its code cannot be read
    /// yet (a library that is being relocated): it is due again soon, until the newest code is two seconds old.
    void handled(const Plan& plan, bool incomplete, Clock::time_point begin, Clock::time_point end);
    /// The process could not be looked at: it is ending, or executing another program.
    void postpone(Clock::time_point now) { next_ = now + std::chrono::milliseconds(20); }
    /// Nothing is looked at any more; what has not been handled() never will be.
    void ended();
    /// Another program runs there, and will be read().
    void replaced();
    /// How long new code with probes in it ran without them, one sentence each; of many the longest.
    [[nodiscard]] std::vector<std::string> notes() const;

private:
    using FileId = std::pair<std::uint64_t, std::uint64_t>;  ///< Device, inode.
    using Place = std::pair<FileId, std::uint64_t>;          ///< And where the file's start would lie.
    struct File {
        FileId id;
        std::string path;
        Clock::time_point since{};
        bool estimated = false;  ///< It may have been there less long.
    };
    struct Blind {
        std::string path;
        std::chrono::nanoseconds time{};
        bool estimated = false;
    };
    void add(const Place& place, File file);

    std::set<Place> known_;
    std::set<FileId> plain_;    ///< Known wherever they lie.
    std::vector<File> recent_;  ///< Without probes yet.
    std::vector<Blind> blind_;
    std::size_t blind_more_ = 0;
    std::vector<std::string> missed_;  ///< Paths of what was loaded too shortly before the end.
    bool wanted_ = false;
    Clock::time_point next_{}, looked_{};
};

}  // namespace memtrace
