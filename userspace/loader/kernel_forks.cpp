// The kernel's tables when processes fork and end: blocks are copied, and what is over is taken out.
#include <algorithm>
#include <cerrno>
#include <unordered_set>

#include "loader/kernel_side_state.hpp"

namespace memtrace {
namespace {

constexpr std::uint32_t groups_at_once = 4096;  // inherited by one call
static_assert(MT_OCCUPIED_BITS % groups_at_once == 0);
constexpr std::uint32_t codes_at_once = 4096;

}  // namespace

Result<void> KernelSide::follow(int pid, std::uint32_t index) {
    const auto tgid = static_cast<std::uint32_t>(pid);
    if (bpf_map_update_elem(bpf_map__fd(state_->object->maps.mt_followed), &tgid, &index, BPF_ANY) != 0)
        return errno_error("following pid " + std::to_string(pid), errno);
    return {};
}

void KernelSide::unfollow(int pid) {
    const auto tgid = static_cast<std::uint32_t>(pid);
    bpf_map_delete_elem(bpf_map__fd(state_->object->maps.mt_followed), &tgid);
}

std::optional<mt_fork> KernelSide::take_fork(int tid) {
    const int map = bpf_map__fd(state_->object->maps.mt_forks);
    const auto key = static_cast<std::uint32_t>(tid);
    mt_fork fork{};
    if (bpf_map_lookup_elem(map, &key, &fork) != 0) return std::nullopt;
    bpf_map_delete_elem(map, &key);
    return fork;
}

Result<void> KernelSide::inherit(const mt_fork& fork, std::uint32_t child) {
    mt_inheritance range{.from = fork.slot, .to = child};
    LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &range, .ctx_size_in = sizeof range);
    for (std::uint32_t first = 0; first < MT_OCCUPIED_BITS; first += groups_at_once) {
        range.first_group = first;
        range.groups = groups_at_once;
        if (const int code = bpf_prog_test_run_opts(bpf_program__fd(state_->object->progs.mt_inherit), &run))
            return errno_error("copying the blocks of a forked process", -code);
    }
    return settle(fork, child);
}

// What the first change of each block since the fork says it was before.
Result<void> KernelSide::settle(const mt_fork& fork, std::uint32_t child) {
    const std::uint64_t end = __atomic_load_n(&state_->object->bss->next_change, __ATOMIC_ACQUIRE);
    std::uint64_t* losses = reinterpret_cast<std::uint64_t*>(state_->object->bss->losses);
    mt_inheritance settled{.from = fork.slot, .to = child};
    LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &settled, .ctx_size_in = sizeof settled);
    std::unordered_set<std::uint64_t> seen;
    for (std::uint64_t number = fork.first_change; number < end; ++number) {
        const mt_change& place = state_->journal.as<const mt_change>()[number % MT_JOURNAL_CHANGES];
        const bool written = __atomic_load_n(&place.number, __ATOMIC_ACQUIRE) == number + 1;
        const mt_change change = place;
        if (!written || __atomic_load_n(&place.number, __ATOMIC_ACQUIRE) != number + 1) {
            __atomic_fetch_add(&losses[MT_LOST_FORK_CHANGES], 1, __ATOMIC_RELAXED);
            continue;
        }
        if (change.key >> MT_KEY_ADDRESS_BITS != fork.slot || !seen.insert(change.key).second) continue;
        settled.address = change.key;
        settled.block = change.block;
        settled.had = change.taken;
        if (const int code = bpf_prog_test_run_opts(bpf_program__fd(state_->object->progs.mt_settle), &run))
            return errno_error("copying the blocks of a forked process", -code);
    }
    return {};
}

void KernelSide::forget_blocks(const std::vector<bool>& ended) {
    auto* buckets = state_->live.as<mt_bucket>();
    for (std::size_t i = 0; i < live().size(); ++i) {
        const std::size_t group = i >> state_->object->rodata->occupied_shift;
        if (!(__atomic_load_n(&state_->object->bss->occupied[group / 64], __ATOMIC_ACQUIRE) >> group % 64 & 1)) continue;
        for (__u64& place : buckets[i].keys) {
            __u64 key = __atomic_load_n(&place, __ATOMIC_RELAXED);
            if (key == MT_KEY_FREE || key == MT_KEY_BUSY) continue;
            const std::size_t slot = key >> MT_KEY_ADDRESS_BITS;
            if (slot < ended.size() && ended[slot]) __atomic_compare_exchange_n(&place, &key, MT_KEY_FREE, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
        }
    }
}

void KernelSide::clear() {
    for (mt_bucket& bucket : std::span(state_->live.as<mt_bucket>(), live().size()))
        for (__u64& key : bucket.keys)
            if (key != MT_KEY_FREE) key = MT_KEY_FREE;
    state_->object->bss->live_choices_used = 0;
    for (mt_site& site : std::span(state_->sites.as<mt_site>(), state_->capacities.sites))
        site.allocated_blocks = site.allocated_bytes = site.freed_blocks = site.freed_bytes = site.temporary_blocks = 0;
    for (std::uint32_t index = 0; index < most_processes(); ++index) {
        mt_process& record = process(index);
        record.total = {};
        for (mt_usage& usage : record.domains) usage = {};
        ++record.generation;
    }
    // A child that was forked before and waits for its copy has no blocks either: there were none when all were forgotten.
    const int map = bpf_map__fd(state_->object->maps.mt_forks);
    std::uint32_t tid = 0;
    for (bool more = bpf_map_get_next_key(map, nullptr, &tid) == 0; more; more = bpf_map_get_next_key(map, &tid, &tid) == 0) {
        mt_fork fork{};
        if (bpf_map_lookup_elem(map, &tid, &fork) != 0) continue;
        fork.first_change = state_->object->bss->next_change;
        bpf_map_update_elem(map, &tid, &fork, BPF_EXIST);
    }
}

// Its key goes last: only then may another stack take the place.
void KernelSide::forget_site(std::uint32_t site) {
    mt_site& gone = state_->sites.as<mt_site>()[site];
    const std::uint64_t key = gone.key;
    mt_site empty{};
    empty.key = key;
    gone = empty;
    __atomic_store_n(&gone.key, 0, __ATOMIC_RELEASE);
}

void KernelSide::forget_code(const std::vector<bool>& ended) {
    const int map = bpf_map__fd(state_->object->maps.mt_codes);
    const auto is_ended = [&](std::uint64_t key) { return (key >> MT_KEY_ADDRESS_BITS) < ended.size() && ended[key >> MT_KEY_ADDRESS_BITS]; };
    std::vector<std::uint64_t> gone, keys(codes_at_once);
    std::vector<std::byte> values(codes_at_once * bpf_map__value_size(state_->object->maps.mt_codes));
    std::uint64_t position = 0;
    for (bool first = true, more = true; more; first = false) {
        std::uint32_t count = codes_at_once;
        more = bpf_map_lookup_batch(map, first ? nullptr : &position, &position, keys.data(), values.data(), &count, nullptr) == 0;
        if (!more && errno != ENOENT) break;
        std::copy_if(keys.begin(), keys.begin() + count, std::back_inserter(gone), is_ended);
    }
    for (const std::uint64_t key : gone) bpf_map_delete_elem(map, &key);
    for (mt_code_cell& cell : state_->object->bss->code_cells)
        if (std::uint64_t key = __atomic_load_n(&cell.key, __ATOMIC_ACQUIRE); key != MT_CODE_BUSY && is_ended(key))
            __atomic_compare_exchange_n(&cell.key, &key, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

}  // namespace memtrace
