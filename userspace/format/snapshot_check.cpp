// The rules a Snapshot must obey in a file.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "format/snapshot_wire.hpp"

namespace memtrace::wire {
namespace {

class Checker {
public:
    explicit Checker(const Snapshot& snapshot) : snapshot_(snapshot) {}

    Result<void> run() {
        counts();
        if (snapshot_.strings.empty() || !snapshot_.strings.front().empty()) fail("string 0 is not the empty one");
        if (!std::isfinite(snapshot_.tracing_cost)) fail("the tracing cost is not a number");
        for (std::size_t i = 0; i < snapshot_.frames.size(); ++i) frame(i);
        for (std::size_t i = 0; i < snapshot_.processes.size(); ++i) process(i);
        for (std::size_t i = 0; i < snapshot_.sites.size(); ++i) site(i);
        for (std::size_t i = 0; i < snapshot_.probes.size(); ++i) {
            if (!std::isfinite(snapshot_.probes[i].entry_ns)) fail("the cost of probe {} is not a number", i);
        }
        if (!failure_.empty()) return Error{std::move(failure_)};
        return {};
    }

private:
    /// Keeps the first failure only.
    template <typename... Values>
    void fail(fmt::format_string<Values...> text, Values&&... values) {
        if (failure_.empty()) failure_ = fmt::format(text, std::forward<Values>(values)...);
    }

    void limit(const char* what, std::size_t count, std::size_t most) {
        if (count > most) fail("{} {}, more than the {} possible", count, what, most);
    }

    void counts() {
        limit("sites", snapshot_.sites.size(), kMaxSites);
        limit("frames", snapshot_.frames.size(), kMaxFrames);
        limit("strings", snapshot_.strings.size(), kMaxStrings);
        limit("processes", snapshot_.processes.size(), kMaxProcesses);
        limit("probes", snapshot_.probes.size(), kMaxProbes);
        limit("losses", snapshot_.losses.size(), kMaxLosses);
        limit("notes", snapshot_.notes.size(), kMaxNotes);
        limit("marks", snapshot_.marks.size(), kMaxMarks);
        std::size_t user_data = snapshot_.user_data.size(), groups = 0;
        for (const memtrace::Mark& mark : snapshot_.marks) user_data += mark.user_data.size();
        limit("user data", user_data, kMaxUserData);
        for (const Site& site : snapshot_.sites) groups += site.blocks.size();
        limit("groups of blocks", groups, kMaxBlockGroups);
    }

    template <typename Index>
    static bool outside(Index index, std::size_t count) {
        return static_cast<std::size_t>(index) >= count;
    }

    void frame(std::size_t i) {
        const Frame& frame = snapshot_.frames[i];
        if (outside(frame.file, snapshot_.strings.size())) fail("the file of frame {} is out of range", i);
        if (outside(frame.function, snapshot_.strings.size())) fail("the function of frame {} is out of range", i);
    }

    void process(std::size_t i) {
        const memtrace::Process& process = snapshot_.processes[i];
        limit("domains", process.domains.size(), kMaxDomains);
        for (const memtrace::Process::DomainUsage& usage : process.domains) {
            if (outside(usage.domain, snapshot_.strings.size())) fail("a domain of process {} is out of range", i);
        }
    }

    void site(std::size_t i) {
        const Site& site = snapshot_.sites[i];
        if (outside(site.process, snapshot_.processes.size())) fail("the process of site {} is out of range", i);
        if (outside(site.domain, snapshot_.strings.size())) fail("the domain of site {} is out of range", i);
        if (site.frames.empty()) fail("site {} has no frame", i);
        limit("frames in a stack", site.frames.size(), kMaxStackFrames);
        for (const FrameId id : site.frames) {
            if (outside(id, snapshot_.frames.size())) fail("a frame of site {} is out of range", i);
        }
        if (site.thread < 0) fail("the thread of site {} is negative", i);
        if (outside(site.thread_name, snapshot_.strings.size())) fail("the thread of site {} is out of range", i);
        if (site.counters.temporary_blocks != 0 && !snapshot_.has_temporaries) fail("site {} has temporary blocks where none were counted", i);
        if (!site.blocks.empty() && !snapshot_.has_blocks) fail("site {} has blocks where none were read", i);
        const auto not_before = [](const BlockGroup& a, const BlockGroup& b) {
            return std::tie(a.size_bytes, a.age) >= std::tie(b.size_bytes, b.age);
        };
        if (std::adjacent_find(site.blocks.begin(), site.blocks.end(), not_before) != site.blocks.end())
            fail("the blocks of site {} are not in order", i);
    }

    const Snapshot& snapshot_;
    std::string failure_;
};

}  // namespace

Result<void> check(const Snapshot& snapshot) { return Checker(snapshot).run(); }

}  // namespace memtrace::wire
