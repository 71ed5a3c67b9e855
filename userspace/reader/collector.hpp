// From the kernel's tables to a Snapshot: names each new site once, as soon as the kernel tells of it, and reads counters when asked.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "loader/session.hpp"
#include "model/snapshot.hpp"
#include "python/code_objects.hpp"
#include "symbolizer/native.hpp"

namespace memtrace {

/// Keeps a reference to the session, which must outlive it.
class Collector {
public:
    explicit Collector(Session& session);
    ~Collector();
    Collector(const Collector&) = delete;
    Collector& operator=(const Collector&) = delete;

    /// Takes in all news from the ring; true when the program replaced itself by exec since the last call.
    bool consume();
    /// The state now. O(sites), never O(live blocks).
    Snapshot snapshot();
    /// The target runs another program: names of native addresses are looked up anew.
    void image_replaced();

private:
    struct NamedSite {
        bool named = false;
        std::vector<FrameId> frames;
    };
    void handle(std::span<const std::byte> record);
    void handle_code(const mt_code_event& event);
    void take_in();
    void name_pending();
    void name_site(std::uint32_t id);
    [[nodiscard]] std::span<const std::uint64_t> python_words(std::uint32_t id) const;
    [[nodiscard]] std::span<const std::uint64_t> native_words(std::uint32_t id) const;
    FrameId python_frame(std::uint64_t identity, std::uint64_t position);
    [[nodiscard]] std::string full_text(const mt_name& name) const;
    [[nodiscard]] std::vector<std::byte> full_table(const mt_code_event& event) const;
    FrameId unknown_frame();
    FrameId native_frame(std::uint64_t address);
    void look_at_process();
    void fill_process(Snapshot& snapshot);

    Session& session_;
    NativeSymbolizer native_;
    CodeObjects codes_;
    Snapshot names_;  ///< Owns the strings and frames that snapshots start from.
    Interner interner_;
    std::vector<NamedSite> sites_;
    std::vector<std::uint32_t> pending_;  ///< New sites of this reading, to be named together.
    bool symbols_in_use_ = false;
    Process last_process_;  ///< What /proc said while the target lived.
    std::uint64_t unresolved_ = 0;
    bool exec_seen_ = false;
};

}  // namespace memtrace
