// The loaded BPF object of one trace: its maps, mapped for reading, its ring and its switches.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "loader/attach.hpp"
#include "memtrace.h"
#include "util/result.hpp"

struct memtrace_bpf;
struct ring_buffer;

namespace memtrace {

/// How much the kernel's tables hold. Full tables are counted in the losses, never silent.
struct Capacities {
    std::uint64_t live_blocks = 0;  ///< 32 bytes each.
    std::uint32_t sites = 0;        ///< Rounded up to a power of two; 64 bytes each + 24 bytes a frame.
    std::uint32_t frames = 1;       ///< 1 .. MT_MAX_FRAMES of each kind a stack.
    std::uint32_t ring_bytes = 0;   ///< Rounded up to a power of two.
    bool threads_apart = false;     ///< Sites of different threads are different sites, of 24 bytes more each.
    bool tells_calls = false;       ///< Each block that is allocated or freed is told: KernelSide::take_calls().
};

/// Defaults for a process with `rss_bytes` resident, on a machine with `available_bytes` free: a block for every 256 resident bytes,
/// between 2^21 and 2^26 blocks and at most an eighth of what is available; 2^17 sites, fewer when their stacks would take over 128 MiB.
Capacities default_capacities(std::uint64_t rss_bytes, std::uint64_t available_bytes, std::uint32_t frames);

/// Kernel memory that tables of these capacities take.
std::uint64_t table_bytes(const Capacities& capacities);

/// Move-only. Everything it shows is live memory written by the kernel.
class KernelSide {
public:
    /// `follow`: with what following forks needs.
    static Result<KernelSide> load(const Capacities& capacities, AttachMethod method, bool follow);
    KernelSide(KernelSide&&) noexcept;
    KernelSide& operator=(KernelSide&&) noexcept;
    ~KernelSide();

    [[nodiscard]] const bpf_program* enter() const;
    [[nodiscard]] const bpf_program* leave() const;
    [[nodiscard]] const bpf_program* exit() const;
    [[nodiscard]] const bpf_program* release() const;
    [[nodiscard]] const bpf_program* mark() const;
    /// How often marked function `number` has begun and ended.
    [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> mark_hits(std::uint32_t number) const;
    /// Attaches the tracepoint that tells of exec and, where forks are followed, what tells of them.
    Result<void> watch();

    void count(bool on);
    /// By index, below most_processes().
    [[nodiscard]] mt_process& process(std::uint32_t index = 0);
    [[nodiscard]] const mt_process& process(std::uint32_t index = 0) const;
    [[nodiscard]] std::uint32_t most_processes() const;
    /// Execs and forks of process `pid` are from now on those of process `index`.
    Result<void> follow(int pid, std::uint32_t index);
    void unfollow(int pid);
    /// The fork that thread `tid` is in, forgotten thereby; nothing when its process was not followed.
    std::optional<mt_fork> take_fork(int tid);
    /// Copies the live blocks of `fork.slot` to process `child` as they were at the fork. The forking thread and the child are held.
    Result<void> inherit(const mt_fork& fork, std::uint32_t child);
    /// Takes all blocks of slots out of the live table, `ended` says which; nothing may run in them any more.
    void forget_blocks(const std::vector<bool>& ended);
    /// Forgets all blocks: the live table, sites' counters, what processes hold and held at most. Losses stay, and what is known of stacks.
    /// All threads of all traced processes stand still; calls in progress go on rightly afterwards.
    void clear();
    /// Makes room for another site where one was; no block of it may be live.
    void forget_site(std::uint32_t site);
    /// Takes what is known of code objects of slots out, likewise.
    void forget_code(const std::vector<bool>& ended);

    [[nodiscard]] std::span<const mt_site> sites() const;
    [[nodiscard]] std::span<const mt_bucket> live() const;
    /// The stack record of a site: MT_STACK_WORDS(frames) words.
    [[nodiscard]] std::span<const std::uint64_t> stack(std::uint32_t site) const;
    /// What the thread of a site was called when the site was new, where threads are kept apart; bytes of the target's choosing.
    [[nodiscard]] std::string_view thread_name(std::uint32_t site) const;
    [[nodiscard]] std::span<const std::uint64_t> losses() const;
    /// Hits by probe index.
    [[nodiscard]] std::vector<std::uint64_t> hits(std::size_t probes) const;
    /// Ticks and time now, and when this was loaded: no block is older.
    [[nodiscard]] Result<mt_clock> clock() const;
    [[nodiscard]] const mt_clock& first_clock() const;
    [[nodiscard]] const Capacities& capacities() const;
    [[nodiscard]] std::uint64_t kernel_bytes() const;  ///< Memory of all maps.

    /// Handles news from the ring: `handler` gets one record. poll_fd becomes readable when there is any.
    void on_event(std::function<void(std::span<const std::byte>)> handler);
    [[nodiscard]] int poll_fd() const;
    void consume();

    /// With Capacities::tells_calls: `handler` gets what is there of single blocks, `most` at most; the rest waits.
    void take_calls(std::size_t most, const std::function<void(const mt_call_event&)>& handler);
    /// Becomes readable when there is any; -1 without.
    [[nodiscard]] int calls_poll_fd() const;
    /// How many blocks there was no room to tell of.
    [[nodiscard]] std::uint64_t calls_untold() const;

private:
    struct State;
    /// What tells of forks: the copying of the memory, or a tracepoint some microseconds later.
    enum class Follow : std::uint8_t { none, by_copy, by_tracepoint };
    struct Namespace {
        std::uint64_t device, inode;
    };
    static int load_object(State& state, AttachMethod method, const Namespace& ours);
    Result<void> settle(const mt_fork& fork, std::uint32_t child);
    explicit KernelSide(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace memtrace
