// From the kernel's tables to a Snapshot: names each new site once, as soon as the kernel tells of it, and reads counters when asked.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "loader/session.hpp"
#include "model/snapshot.hpp"
#include "model/view.hpp"
#include "python/code_objects.hpp"
#include "reader/live_blocks.hpp"
#include "reader/process_names.hpp"

namespace memtrace {

/// What a snapshot says of single blocks.
enum class Detail : std::uint8_t {
    counters,  ///< Nothing. O(sites).
    blocks,    ///< How many of each site have which size and age. Reads the whole live table.
};

/// The block at an address.
struct BlockInfo {
    struct Place {
        std::string file;
        std::uint32_t line = 0;  ///< 0: not known.
        std::string function;
        bool python = false;
        bool operator==(const Place&) const = default;
    };
    std::uint64_t address = 0;  ///< Its start.
    std::uint64_t size_bytes = 0;
    std::string domain;
    std::chrono::nanoseconds age{};
    std::vector<Place> frames;       ///< Newest first, never empty.
    std::uint32_t total_frames = 1;  ///< As in Site.
    bool operator==(const BlockInfo&) const = default;
};

/// Live blocks one by one.
struct Outstanding {
    struct Block {
        std::uint64_t address = 0;
        std::uint64_t size_bytes = 0;
        std::chrono::nanoseconds age{};
        std::uint32_t site = 0;  ///< Collector::site().
    };
    std::vector<Block> blocks;   ///< Oldest first.
    std::uint64_t left_out = 0;  ///< Younger ones that were too many.
};

/// Keeps a reference to the session, which must outlive it. Processes appear in snapshots in the order in which they were added.
class Collector {
public:
    explicit Collector(Session& session);
    ~Collector();
    Collector(const Collector&) = delete;
    Collector& operator=(const Collector&) = delete;

    /// Takes in all news from the ring; true when the program replaced itself by exec since the last call.
    bool consume();
    /// The state now. With Detail::blocks it agrees with itself: live counts and bytes of sites, and so what processes hold, are those
    /// of the blocks found in the table; where the counters said otherwise (calls in flight; changes during the reading, when the
    /// target runs) they are moved the least way up. Blocks of processes whose numbers were taken over have the age they had then.
    Snapshot snapshot(Detail detail = Detail::counters);
    /// A reading in three steps, of which only the second needs the target to stand still for it to be of one moment: what it takes
    /// follows from the tables' size alone. snapshot() does all three.
    class Reading;
    /// Names what is new, and makes room.
    Reading begin(Detail detail);
    /// Copies what the kernel's tables say: 24 bytes for each live block, 40 for each site.
    void copy(Reading& reading);
    Snapshot finish(const Reading& reading);
    /// The block of a traced process that begins at `address` or, if none does, that contains it: a Python object lies 16 or 32 bytes
    /// behind its block's start. Reads the whole live table.
    std::optional<BlockInfo> where(int pid, std::uint64_t address);
    /// The live blocks within the bounds and of sites that pass: the oldest `most` of them. Reads the whole live table.
    Outstanding outstanding(const BlockBounds& bounds, std::size_t most, const std::function<bool(std::uint32_t)>& passes);
    /// A site of the kernel's table by its place there, as snapshots have it but for its blocks; its names are those of names(). None: it is
    /// empty. `identity` tells whether another one has come to the same place since.
    struct NumberedSite {
        Site site;
        std::uint64_t identity = 0;
    };
    std::optional<NumberedSite> site(std::uint32_t id);
    [[nodiscard]] std::uint64_t site_identity(std::uint32_t id) const;
    [[nodiscard]] const Snapshot& names() const { return names_; }
    [[nodiscard]] int pid_of(const Site& site) const { return processes_[site.process]->process.pid; }
    /// Keeps a named moment; a name that was there before gets "-2", "-3" … The name it has now.
    std::string add_mark(Mark mark);
    /// How many events are missing from the numbers, of all causes.
    [[nodiscard]] std::uint64_t lost() const;
    /// The target runs another program: names of native addresses are looked up anew.
    void image_replaced() { image_replaced(session_.root()); }
    void image_replaced(TracedProcess& process);
    /// A process that the session has probed anew (Session::follow_new_code).
    void code_changed(const TracedProcess& process);
    /// A process that the session has added; `copy_of`: the one whose memory it got a copy of, or null.
    void added(TracedProcess& process, const TracedProcess* copy_of);
    /// It has ended, and the session may now be told; its numbers are taken over with the next forget_ended().
    void ended(TracedProcess& process);
    /// Takes over what processes that have ended and programs that were replaced have left in the kernel's tables, which get room again.
    void forget_ended();

private:
    /// One process, running or not.
    struct Observed {
        TracedProcess* traced = nullptr;  ///< Null: its numbers have been taken over.
        std::shared_ptr<ProcessNames> names;
        Process process;          ///< What /proc said while it lived; at the end its last numbers.
        std::vector<Site> sites;  ///< Taken over.
        std::size_t weight = 0;   ///< Their bytes.
    };
    struct NamedSite {
        bool named = false;
        std::vector<FrameId> frames;
        StringId thread_name{};
    };
    /// What the sites of a process hold, by domain.
    struct Usage {
        std::map<StringId, std::uint64_t> bytes;
        void add(const Site& site) { bytes[site.domain] += site.counters.live_bytes(); }
        /// Says so in `process`; its peaks were at least that.
        void becomes(Process& process) const;
    };
    void handle(std::span<const std::byte> record);
    void handle_code(const mt_code_event& event);
    void handle_mark(const mt_mark_event& event, std::span<const std::byte> record);
    static std::string read_name(const Target& target, std::uint64_t address);
    [[nodiscard]] const TracedProcess* process_at(std::uint32_t index) const;
    void take_in();
    void name_pending();
    void name_site(std::uint32_t id);
    [[nodiscard]] std::span<const std::uint64_t> python_words(std::uint32_t id) const;
    [[nodiscard]] std::span<const std::uint64_t> native_words(std::uint32_t id) const;
    FrameId python_frame(std::uint64_t identity, std::uint64_t position);
    static std::string full_text(const Target& target, const mt_name& name);
    static std::vector<std::byte> full_table(const Target& target, const mt_code_event& event);
    FrameId unknown_frame();
    FrameId native_frame(ProcessNames& names, std::uint64_t address);
    Observed& owner_of(std::uint16_t slot);
    void own(std::uint16_t slot, std::size_t process);
    static void look_at(Observed& observed);
    void read_usage(Observed& observed);
    Site read_site(std::uint32_t id, Counters counters, const GroupedBlocks* blocks);
    void drop_oldest();
    void drop_cleared();
    [[nodiscard]] Ages ages() const;
    void add_processes(Snapshot& snapshot);
    static bool is_ready(const mt_site& site);
    void fill_probes(const Reading& reading, Snapshot& snapshot) const;
    void add_marks(const Reading& reading, Snapshot& snapshot) const;
    [[nodiscard]] std::vector<std::string> notes() const;
    static Counters read_counters(const mt_site& site);

    Session& session_;
    std::vector<std::unique_ptr<Observed>> processes_;
    std::vector<std::uint32_t> owner_of_slot_;
    std::size_t taken_over_ = 0;  ///< Sum of the weights.
    unsigned clears_seen_ = 0;
    std::size_t dropped_ = 0;  ///< Processes whose sites were too many to keep.
    CodeObjects codes_;
    Snapshot names_;  ///< Owns the strings and frames that snapshots start from.
    Interner interner_;
    std::vector<NamedSite> sites_;
    std::vector<std::uint32_t> pending_;  ///< New sites of this reading, to be named together.
    bool symbols_in_use_ = false;
    std::uint64_t unresolved_ = 0;
    std::deque<Mark> marks_;
    std::size_t mark_data_ = 0;                                  ///< User data of all of them.
    std::uint64_t marks_dropped_ = 0;                            ///< With those that are there: all there ever were.
    std::unordered_map<std::string, std::uint64_t> mark_names_;  ///< The next number to tell it by.
    bool exec_seen_ = false;
};

class Collector::Reading {
    friend class Collector;
    struct SiteCounts {
        std::uint32_t site = 0;
        Counters counters;
    };
    Detail detail = Detail::counters;
    BlockCopy blocks;
    std::vector<SiteCounts> sites;  ///< That were ready.
    std::vector<std::uint64_t> hits, losses;
    Ages ages{{}, {}};
    std::chrono::sys_time<std::chrono::nanoseconds> time{};
    std::chrono::nanoseconds traced_for{};
    std::uint64_t marks = 0;  ///< That had come before.
};

}  // namespace memtrace
