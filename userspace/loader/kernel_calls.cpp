// The kernel side's ring of single blocks: each that was allocated or freed, for who wants to hear of them all.
#include "loader/kernel_side.hpp"
#include "loader/kernel_side_state.hpp"

namespace memtrace {

bool KernelSide::State::open_calls() {
    const auto handle = [](void* state, void* data, std::size_t size) {
        return size < sizeof(mt_call_event) ? 0 : static_cast<State*>(state)->call_handler(*static_cast<const mt_call_event*>(data));
    };
    calls = ring_buffer__new(bpf_map__fd(object->maps.mt_calls), handle, this, nullptr);
    return calls != nullptr;
}

// libbpf stops when it is told so, behind the record it has just handed over: a program that allocates faster than we read would keep us
// here for ever.
void KernelSide::take_calls(std::size_t most, const std::function<void(const mt_call_event&)>& handler) {
    if (!state_->calls || most == 0) return;
    state_->call_handler = [&](const mt_call_event& event) {
        handler(event);
        return --most == 0 ? -ECANCELED : 0;
    };
    ring_buffer__consume(state_->calls);
    state_->call_handler = {};
}

int KernelSide::calls_poll_fd() const { return state_->calls ? ring_buffer__epoll_fd(state_->calls) : -1; }

std::uint64_t KernelSide::calls_untold() const { return __atomic_load_n(&state_->object->bss->calls_untold, __ATOMIC_RELAXED); }

}  // namespace memtrace
