// What KernelSide owns; for its own source files only.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <cerrno>
#include <functional>
#include <span>
#include <string>

#include "loader/kernel_side.hpp"
#include "memtrace.skel.h"

namespace memtrace {

// The mapping of one mmap'able map.
class MapView {
public:
    MapView() = default;
    MapView(const MapView&) = delete;
    MapView& operator=(const MapView&) = delete;
    ~MapView() {
        if (data_) munmap(data_, size_);
    }
    Result<void> map(const bpf_map* source, bool writable) {
        const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        size_ = (static_cast<std::size_t>(bpf_map__value_size(source)) * bpf_map__max_entries(source) + page - 1) / page * page;
        void* data = mmap(nullptr, size_, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, bpf_map__fd(source), 0);
        if (data == MAP_FAILED) return errno_error(std::string("mapping ") + bpf_map__name(source), errno);
        data_ = data;
        return {};
    }
    template <typename T>
    [[nodiscard]] T* as() const {
        return static_cast<T*>(data_);
    }

private:
    void* data_ = nullptr;
    std::size_t size_ = 0;
};

struct KernelSide::State {
    memtrace_bpf* object = nullptr;
    Capacities capacities;
    MapView live, sites, stacks, processes, journal;
    Follow follow = Follow::none;
    mt_clock first_clock{};
    std::function<void(std::span<const std::byte>)> handler = [](std::span<const std::byte>) {};
    ring_buffer* ring = nullptr;
    ring_buffer* calls = nullptr;
    std::function<int(const mt_call_event&)> call_handler;  ///< While calls are taken; negative: no more of them.
    State() = default;
    bool open_calls();
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        ring_buffer__free(calls);
        ring_buffer__free(ring);
        memtrace_bpf__destroy(object);
    }
};

}  // namespace memtrace
