#include "loader/kernel_side.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "loader/kernel_side_state.hpp"

namespace memtrace {
namespace {

constexpr std::uint64_t least_live_blocks = 1ULL << 21;
constexpr std::uint64_t most_live_blocks = 1ULL << 26;
constexpr std::uint64_t resident_bytes_per_block = 256;
constexpr std::uint64_t bytes_per_block = 32;
constexpr std::uint32_t most_default_sites = 1U << 17;
constexpr std::uint64_t most_default_stack_bytes = 128U << 20;
constexpr std::uint32_t default_ring_bytes = 16U << 20;
constexpr std::uint32_t calls_ring_bytes = 8U << 20;       // 131 072 of them
constexpr ino_t initial_pid_namespace_inode = 0xEFFFFFFC;  // PROC_PID_INIT_INO, include/linux/proc_ns.h

// A bucket of 192 bytes for every 6 blocks: 8 slots filled to 3/4, at which no key misses all its choices (docs/decisions/0002).
constexpr std::uint64_t blocks_per_bucket = 6;
static_assert(sizeof(mt_bucket) == blocks_per_bucket * bytes_per_block);
static_assert(sizeof(mt_site) == 64);

int handle_record(void* handler, void* data, std::size_t size) {
    (*static_cast<std::function<void(std::span<const std::byte>)>*>(handler))({static_cast<const std::byte*>(data), size});
    return 0;
}

// The kernel's own words on a refusal matter only when it refuses; libbpf would print them always.
int keep_quiet(libbpf_print_level, const char*, va_list) { return 0; }

}  // namespace

KernelSide::KernelSide(std::unique_ptr<State> state) : state_(std::move(state)) {}
KernelSide::KernelSide(KernelSide&&) noexcept = default;
KernelSide& KernelSide::operator=(KernelSide&&) noexcept = default;
KernelSide::~KernelSide() = default;

Capacities default_capacities(std::uint64_t rss_bytes, std::uint64_t available_bytes, std::uint32_t frames) {
    Capacities capacities;
    capacities.frames = frames;
    capacities.live_blocks = std::clamp(rss_bytes / resident_bytes_per_block, least_live_blocks, most_live_blocks);
    const std::uint64_t affordable = available_bytes / 8 / bytes_per_block;
    capacities.live_blocks = std::max<std::uint64_t>(std::min(capacities.live_blocks, affordable), blocks_per_bucket);
    const std::uint64_t stack_bytes = MT_STACK_WORDS(std::uint64_t{frames}) * sizeof(std::uint64_t);
    capacities.sites = std::bit_floor(
        static_cast<std::uint32_t>(std::min<std::uint64_t>(most_default_sites, most_default_stack_bytes / stack_bytes)));
    capacities.ring_bytes = default_ring_bytes;
    return capacities;
}

namespace {

// Of a stack record.
std::size_t stack_words(const Capacities& capacities) {
    return MT_STACK_WORDS(std::size_t{capacities.frames}) + (capacities.threads_apart ? MT_THREAD_WORDS : 0);
}

}  // namespace

std::uint64_t table_bytes(const Capacities& capacities) {
    const std::uint64_t site_bytes = sizeof(mt_site) + stack_words(capacities) * sizeof(std::uint64_t);
    return capacities.live_blocks * bytes_per_block + std::bit_ceil(std::uint64_t{capacities.sites}) * site_bytes + capacities.ring_bytes;
}

namespace {

void set_capacities(memtrace_bpf& object, const Capacities& capacities, std::uint32_t buckets, bool follow) {
    bpf_map__set_max_entries(object.maps.mt_live, buckets);
    bpf_map__set_max_entries(object.maps.mt_sites, capacities.sites);
    bpf_map__set_max_entries(object.maps.mt_stacks, capacities.sites);
    bpf_map__set_value_size(object.maps.mt_stacks, static_cast<std::uint32_t>(stack_words(capacities) * sizeof(std::uint64_t)));
    bpf_map__set_max_entries(object.maps.mt_codes, capacities.sites);
    bpf_map__set_max_entries(object.maps.mt_told, capacities.sites);
    bpf_map__set_max_entries(object.maps.mt_events, capacities.ring_bytes);
    bpf_map__set_max_entries(object.maps.mt_calls, capacities.tells_calls ? calls_ring_bytes : static_cast<std::uint32_t>(sysconf(_SC_PAGESIZE)));
    bpf_map__set_map_flags(object.maps.mt_stacks, BPF_F_MMAPABLE);
    bpf_map__set_max_entries(object.maps.mt_twins, follow ? capacities.sites : 1);
    bpf_map__set_max_entries(object.maps.mt_journal, follow ? MT_JOURNAL_CHANGES : 1);
    if (!follow) bpf_map__set_max_entries(object.maps.mt_processes, 1);
}

}  // namespace

// An opened object made ready; 0 or the negative errno of its loading.
int KernelSide::load_object(State& state, AttachMethod method, const Namespace& ours) {
    const std::uint64_t buckets = std::max<std::uint64_t>(state.capacities.live_blocks / blocks_per_bucket, 1);
    state.object = memtrace_bpf__open();
    if (!state.object) return -errno;
    memtrace_bpf& object = *state.object;
    object.rodata->live_buckets = static_cast<std::uint32_t>(buckets);
    object.rodata->site_mask = state.capacities.sites - 1;
    object.rodata->frame_limit = state.capacities.frames;
    object.rodata->page_bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    object.rodata->pid_namespace_device = ours.device;
    object.rodata->pid_namespace_inode = ours.inode;
    object.rodata->initial_pid_namespace = ours.inode == initial_pid_namespace_inode;
    object.rodata->threads_apart = state.capacities.threads_apart;
    object.rodata->tells_calls = state.capacities.tells_calls;
    object.rodata->follows_forks = state.follow != Follow::none;
    object.rodata->occupied_shift = static_cast<std::uint32_t>(std::bit_width((buckets - 1) / MT_OCCUPIED_BITS));
    set_capacities(object, state.capacities, static_cast<std::uint32_t>(buckets), state.follow != Follow::none);
    if (state.follow != Follow::none) {
        bpf_program__set_autoload(state.follow == Follow::by_copy ? object.progs.mt_fork_copied : object.progs.mt_fork_done, true);
        bpf_program__set_autoload(object.progs.mt_inherit, true);
        bpf_program__set_autoload(object.progs.mt_settle, true);
    }
    prepare(object.progs.mt_enter, method);
    prepare(object.progs.mt_leave, method);
    prepare(object.progs.mt_exit, method);
    prepare(object.progs.mt_release, method);
    prepare(object.progs.mt_mark, method);
    return memtrace_bpf__load(&object);
}

Result<KernelSide> KernelSide::load(const Capacities& wanted, AttachMethod method, bool follow) {
    libbpf_set_print(keep_quiet);
    // Kernels before 5.11 charge maps to this limit; newer ones ignore it. Failure shows at loading.
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &unlimited);
    // Each process that is followed takes a handful of descriptors. (A program that we launch has been forked before.)
    if (rlimit files{}; getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }

    auto state = std::make_unique<State>();
    Capacities& capacities = state->capacities = wanted;
    capacities.sites = std::bit_ceil(wanted.sites);
    capacities.ring_bytes = std::bit_ceil(std::max<std::uint32_t>(wanted.ring_bytes, static_cast<std::uint32_t>(sysconf(_SC_PAGESIZE))));
    if (capacities.live_blocks / blocks_per_bucket > UINT32_MAX || capacities.frames < 1 || capacities.frames > MT_MAX_FRAMES)
        return Error{"capacities out of range"};
    struct stat namespace_stat {};
    if (stat("/proc/self/ns/pid", &namespace_stat) != 0) return errno_error("reading /proc/self/ns/pid", errno);
    const Namespace ours{namespace_stat.st_dev, namespace_stat.st_ino};
    int code = -EINVAL;
    // Tracing a kernel function needs more of the kernel than everything else does; there is the second best.
    if (follow && libbpf_find_vmlinux_btf_id("uprobe_end_dup_mmap", BPF_TRACE_FENTRY) > 0) {
        state->follow = Follow::by_copy;
        code = load_object(*state, method, ours);
        if (code == 0) {
            bpf_link*& link = state->object->links.mt_fork_copied;
            link = bpf_program__attach(state->object->progs.mt_fork_copied);
            if (!link) code = -errno;
        }
        if (code != 0) memtrace_bpf__destroy(std::exchange(state->object, nullptr));
    }
    if (code != 0) {
        state->follow = follow ? Follow::by_tracepoint : Follow::none;
        code = load_object(*state, method, ours);
    }
    if (code == -ENOMEM)
        return errno_error("allocating kernel tables for " + std::to_string(capacities.live_blocks) + " live blocks and " +
                               std::to_string(capacities.sites) + " sites",
                           -code, "ask for less with --live-blocks and --sites (32 bytes a block)");
    if (code != 0) return errno_error("loading the BPF programs", -code, "run `memtrace-bpf doctor` to see what this kernel and user lack");
    memtrace_bpf& object = *state->object;
    const std::pair<MapView*, const bpf_map*> views[] = {{&state->live, object.maps.mt_live},
                                                         {&state->sites, object.maps.mt_sites},
                                                         {&state->stacks, object.maps.mt_stacks},
                                                         {&state->processes, object.maps.mt_processes},
                                                         {&state->journal, object.maps.mt_journal}};
    for (const auto& [view, map] : views)
        if (Result<void> mapped = view->map(map, true); !mapped) return std::move(mapped).error();
    state->ring = ring_buffer__new(bpf_map__fd(object.maps.mt_events), handle_record, &state->handler, nullptr);
    if (!state->ring || ring_buffer__add(state->ring, bpf_map__fd(object.maps.mt_marks), handle_record, &state->handler) != 0)
        return errno_error("opening the event rings", errno);
    if (capacities.tells_calls && !state->open_calls()) return errno_error("opening the ring of single blocks", errno);
    KernelSide kernel(std::move(state));
    const Result<mt_clock> now = kernel.clock();
    if (!now) return now.error();
    kernel.state_->first_clock = *now;
    return kernel;
}

const bpf_program* KernelSide::enter() const { return state_->object->progs.mt_enter; }
const bpf_program* KernelSide::leave() const { return state_->object->progs.mt_leave; }
const bpf_program* KernelSide::exit() const { return state_->object->progs.mt_exit; }
const bpf_program* KernelSide::release() const { return state_->object->progs.mt_release; }
const bpf_program* KernelSide::mark() const { return state_->object->progs.mt_mark; }

std::pair<std::uint64_t, std::uint64_t> KernelSide::mark_hits(std::uint32_t number) const {
    const auto* hits = &state_->object->bss->mark_hits[std::size_t{number} * MT_MARK_KINDS];
    return {__atomic_load_n(&hits[MT_MARK_BEFORE], __ATOMIC_ACQUIRE), __atomic_load_n(&hits[MT_MARK_AFTER], __ATOMIC_ACQUIRE)};
}

Result<void> KernelSide::watch() {
    memtrace_bpf& object = *state_->object;
    object.links.mt_exec = bpf_program__attach(object.progs.mt_exec);
    if (!object.links.mt_exec) return errno_error("attaching to the exec tracepoint", errno);
    if (state_->follow != Follow::by_tracepoint) return {};
    object.links.mt_fork_done = bpf_program__attach(object.progs.mt_fork_done);
    if (!object.links.mt_fork_done) return errno_error("attaching to the fork tracepoint", errno);
    return {};
}

void KernelSide::count(bool on) { state_->object->bss->counting = on ? 1 : 0; }
mt_process& KernelSide::process(std::uint32_t index) { return state_->processes.as<mt_process>()[index]; }
const mt_process& KernelSide::process(std::uint32_t index) const { return state_->processes.as<const mt_process>()[index]; }
std::uint32_t KernelSide::most_processes() const { return bpf_map__max_entries(state_->object->maps.mt_processes); }
std::span<const mt_site> KernelSide::sites() const { return {state_->sites.as<const mt_site>(), state_->capacities.sites}; }

std::span<const mt_bucket> KernelSide::live() const {
    return {state_->live.as<const mt_bucket>(), bpf_map__max_entries(state_->object->maps.mt_live)};
}

std::span<const std::uint64_t> KernelSide::stack(std::uint32_t site) const {
    return {state_->stacks.as<const std::uint64_t>() + site * stack_words(state_->capacities), MT_STACK_WORDS(state_->capacities.frames)};
}

std::string_view KernelSide::thread_name(std::uint32_t site) const {
    if (!state_->capacities.threads_apart) return {};
    const std::uint64_t* behind_frames = stack(site).data() + stack(site).size();
    const char* name = reinterpret_cast<const char*>(behind_frames + 1);
    return {name, strnlen(name, MT_THREAD_NAME_BYTES)};
}

std::span<const std::uint64_t> KernelSide::losses() const {
    return {reinterpret_cast<const std::uint64_t*>(state_->object->bss->losses), MT_LOSS_COUNT};
}

std::vector<std::uint64_t> KernelSide::hits(std::size_t probes) const {
    const int cpus = std::max(1, libbpf_num_possible_cpus());
    std::vector<std::uint64_t> per_cpu(static_cast<std::size_t>(cpus));
    std::vector<std::uint64_t> sums(probes, 0);
    for (std::uint32_t probe = 0; probe < probes; ++probe) {
        if (bpf_map_lookup_elem(bpf_map__fd(state_->object->maps.mt_hits), &probe, per_cpu.data()) != 0) continue;
        for (const std::uint64_t hits : per_cpu) sums[probe] += hits;
    }
    return sums;
}

Result<mt_clock> KernelSide::clock() const {
    mt_clock now{};
    LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &now, .ctx_size_in = sizeof now);
    if (const int code = bpf_prog_test_run_opts(bpf_program__fd(state_->object->progs.mt_read_clock), &run))
        return errno_error("reading the kernel's clock", -code);
    return now;
}

const mt_clock& KernelSide::first_clock() const { return state_->first_clock; }
const Capacities& KernelSide::capacities() const { return state_->capacities; }

std::uint64_t KernelSide::kernel_bytes() const {
    std::uint64_t bytes = state_->capacities.ring_bytes;
    for (const bpf_map* map : {state_->object->maps.mt_live, state_->object->maps.mt_sites, state_->object->maps.mt_stacks})
        bytes += static_cast<std::uint64_t>(bpf_map__value_size(map)) * bpf_map__max_entries(map);
    return bytes;
}

void KernelSide::on_event(std::function<void(std::span<const std::byte>)> handler) { state_->handler = std::move(handler); }
int KernelSide::poll_fd() const { return ring_buffer__epoll_fd(state_->ring); }
void KernelSide::consume() { ring_buffer__consume(state_->ring); }

}  // namespace memtrace
