// The whole state of one trace at one moment: what every view, file and difference is made from.
// Pure values: knows no kernel, no files, no terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/age.hpp"

namespace memtrace {

/// Index of an interned string in Snapshot::strings. 0 is the empty string.
enum class StringId : std::uint32_t {};
/// Index into Snapshot::frames.
enum class FrameId : std::uint32_t {};

/// One place in the program. Python: file, line, function. Native: the same where debug information knows them;
/// otherwise `file` is the object file ("libfoo.so.1") and line 0, `function` is "symbol+0x1f" or "0x1234" (offset in the file).
struct Frame {
    StringId file{};
    StringId function{};
    std::uint32_t line = 0;  ///< 0: not known.
    bool python = false;
    // The part of the source that ran: from `column` of `line` up to `end_column` of `end_line`. Columns count bytes of UTF-8 from 1,
    // the end column is the first one behind; 0: not known.
    std::uint32_t end_line = 0;
    std::uint32_t column = 0;
    std::uint32_t end_column = 0;
    bool operator==(const Frame&) const = default;
};

/// A Frame before its names are interned.
struct NamedFrame {
    std::string_view file;
    std::uint32_t line = 0;
    std::string_view function;
    bool python = false;
    std::uint32_t end_line = 0;
    std::uint32_t column = 0;
    std::uint32_t end_column = 0;
};

/// Totals of one site since tracing began. live = allocated - freed; 0 where a reading taken between the two additions of an
/// update shows more freed than allocated.
struct Counters {
    std::uint64_t allocated_blocks = 0;
    std::uint64_t allocated_bytes = 0;
    std::uint64_t freed_blocks = 0;
    std::uint64_t freed_bytes = 0;
    /// Of the freed ones: by the thread that had allocated them, before it allocated again (Snapshot::has_temporaries).
    std::uint64_t temporary_blocks = 0;

    [[nodiscard]] std::uint64_t live_blocks() const { return difference(allocated_blocks, freed_blocks); }
    [[nodiscard]] std::uint64_t live_bytes() const { return difference(allocated_bytes, freed_bytes); }
    Counters& operator+=(const Counters& other);
    /// What was allocated and freed after `before` was read; where that was more, all was forgotten (clear): since then.
    [[nodiscard]] Counters since(const Counters& before) const;
    bool operator==(const Counters&) const = default;

private:
    static std::uint64_t difference(std::uint64_t more, std::uint64_t less) { return more > less ? more - less : 0; }
};

/// Live blocks of one site that have the same size and about the same age.
struct BlockGroup {
    std::uint64_t size_bytes = 0;  ///< Of each block.
    AgeStep age{};                 ///< Of each, when the snapshot was taken.
    std::uint64_t count = 0;
    bool operator==(const BlockGroup&) const = default;
};

/// A value that the program hands to a checkpoint: PEP 454's user data.
struct UserDatum {
    std::string title;
    std::string format = "size";  ///< "size": bytes. Any other: shown as a plain number.
    std::int64_t value = 0;
    bool operator==(const UserDatum&) const = default;
};

/// A named moment and what a process held then: tracemem's MemLog.
struct Mark {
    std::string name;
    std::chrono::sys_time<std::chrono::nanoseconds> time{};
    std::int32_t pid = 0;
    std::uint64_t traced_bytes = 0;
    std::vector<UserDatum> user_data;
    bool operator==(const Mark&) const = default;
};

/// Where blocks were allocated: process + domain + stack. Two sites of one snapshot may show the same frames.
struct Site {
    std::uint32_t process = 0;       ///< Index into Snapshot::processes.
    StringId domain{};               ///< "malloc", "mmap", "raw", "mem", "obj".
    std::vector<FrameId> frames;     ///< Newest first, Python frames before native ones; never empty ("<unknown>":0 instead).
    std::uint32_t total_frames = 1;  ///< True depth; more than frames.size() when truncated.
    Counters counters;
    std::int32_t thread = 0;         ///< Its id, where threads are kept apart (Snapshot::threads_apart); 0: they are not.
    StringId thread_name{};          ///< What it was called at its first allocation of this site.
    std::vector<BlockGroup> blocks;  ///< Ordered by (size, age); their counts add up to live_blocks(). Empty: not read (Snapshot::has_blocks).
    bool operator==(const Site&) const = default;
};

/// One traced process. Sizes in bytes; traced sizes are those of blocks allocated since tracing began.
struct Process {
    std::int32_t pid = 0;
    std::string command;
    std::uint64_t start_time_ticks = 0;  ///< /proc/PID/stat field 22: with the pid, the process's identity.
    std::uint64_t rss_bytes = 0;
    std::uint64_t vms_bytes = 0;
    std::uint64_t traced_bytes = 0;
    std::uint64_t traced_peak_bytes = 0;
    struct DomainUsage {
        StringId domain{};
        std::uint64_t bytes = 0;
        std::uint64_t peak_bytes = 0;
        bool operator==(const DomainUsage&) const = default;
    };
    std::vector<DomainUsage> domains;
    bool ended = false;  ///< The numbers are those of its end: what it had not freed then.
    bool operator==(const Process&) const = default;
};

/// One hooked function: where its probe stands and what a hit costs.
struct Probe {
    std::string hook;          ///< "malloc", "obj.malloc".
    std::string file;          ///< Path of the object file, as the target sees it.
    std::uint64_t offset = 0;  ///< Of the probed instruction in the file.
    std::string symbol;        ///< "malloc+0", "free+9": where that is, for people.
    std::string instruction;   ///< "push rbp".
    std::string method;        ///< "emulated" or "single-stepped"; redirected tables name their target, e.g. "emulated, table -> jmp".
    double entry_ns = 0;       ///< Calibrated cost of one hit, with the return probe where there is one.
    std::uint64_t hits = 0;
    bool operator==(const Probe&) const = default;
};

/// One cause of loss or doubt and how often it occurred. All causes are present, zeros included.
struct Loss {
    std::string cause;
    std::uint64_t count = 0;
    bool lost = false;  ///< true: blocks are missing from the numbers. false: a qualification of numbers that are there.
    bool operator==(const Loss&) const = default;
};

struct Snapshot {
    std::string tool_version;
    std::string kernel;                                      ///< uname release.
    std::chrono::sys_time<std::chrono::nanoseconds> time{};  ///< When it was taken, wall clock.
    std::chrono::nanoseconds traced_for{};                   ///< Since counting began.
    std::uint64_t events = 0;                                ///< Probe hits since then.
    double tracing_cost = 0;                                 ///< Estimated share of one core the probes take, 0.09 = 9 %, over traced_for.
    std::uint32_t frame_limit = 1;                           ///< --frames.
    bool has_blocks = false;                                 ///< Sites tell their blocks' sizes and ages.
    bool threads_apart = false;                              ///< Sites of different threads are different sites.
    bool has_temporaries = false;                            ///< Counters tell temporary blocks; files of the first versions do not.
    std::string name;                                        ///< Of the checkpoint it is; empty: none.
    std::vector<UserDatum> user_data;                        ///< Handed over with the checkpoint.
    std::vector<Mark> marks;                                 ///< Up to its moment, oldest first.
    std::uint64_t marks_dropped = 0;                         ///< Older ones that were too many to keep.
    std::vector<Process> processes;
    std::vector<Site> sites;
    std::vector<Probe> probes;
    std::vector<Loss> losses;
    std::vector<std::string> notes;  ///< What this trace cannot see, one sentence each.
    std::vector<std::string> strings{std::string()};
    std::vector<Frame> frames;

    /// Whether what a process holds is memory in use: it runs, or none does any more and all count with what they held at their ends.
    [[nodiscard]] std::vector<bool> processes_that_count() const;
    [[nodiscard]] const std::string& text(StringId id) const { return strings[static_cast<std::size_t>(id)]; }
    [[nodiscard]] const Frame& frame(FrameId id) const { return frames[static_cast<std::size_t>(id)]; }
    bool operator==(const Snapshot&) const = default;
};

/// Adds strings and frames to a Snapshot under construction, each once; what the snapshot already holds is found again.
/// Keeps a reference to the snapshot, to which nobody else may add strings or frames meanwhile.
class Interner {
public:
    explicit Interner(Snapshot& snapshot);
    StringId string(std::string_view text);
    FrameId frame(const NamedFrame& named);

private:
    struct FrameHash {
        std::size_t operator()(const Frame& frame) const;
    };
    struct StringHash {
        using is_transparent = void;  // Looks up a string_view without making a string of it.
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    Snapshot& snapshot_;
    std::unordered_map<std::string, StringId, StringHash, std::equal_to<>> strings_;
    std::unordered_map<Frame, FrameId, FrameHash> frames_;
};

}  // namespace memtrace
