// What a process holds, as the kernel side keeps it (struct mt_usage): a peak is put down there only when bytes become fewer.
#pragma once

#include <algorithm>
#include <cstdint>

#include "memtrace.h"

namespace memtrace {

struct Usage {
    std::uint64_t bytes = 0;
    std::uint64_t peak_bytes = 0;
};

/// Of a process that may be running.
inline Usage read_usage(const mt_usage& usage) {
    const std::uint64_t bytes = __atomic_load_n(&usage.bytes, __ATOMIC_ACQUIRE);
    return {bytes, std::max<std::uint64_t>(__atomic_load_n(&usage.peak_bytes, __ATOMIC_ACQUIRE), bytes)};
}

/// Nothing is held any more; the peak stays. Nobody may change it meanwhile.
inline void empty_usage(mt_usage& usage) { usage = {0, read_usage(usage).peak_bytes}; }

/// The peak begins anew at what is held. Likewise.
inline void reset_peak(mt_usage& usage) { usage.peak_bytes = usage.bytes; }

}  // namespace memtrace
